import type { Names } from '../shared/identifier'
import { columnsOf } from '../tables/fields'
import type { TableSpec } from '../tables/types'
import type { Statement, StatementCache, Template } from './statement'
import type { Column, InputRows } from './rows'
import { inputRows } from './rows'

/** What statements are compiled with: the names of one store, its statement cache, and the tenant. */
export interface StatementContext {
  names: Names
  cache: StatementCache
  tenant: string
}

/**
 * A statement for one input, or for many inputs of the same shape. `key` identifies the shape; columns and text are only
 * built on its first use.
 */
export function statementFor<I>(
  { cache, tenant }: StatementContext, key: string, inputs: readonly I[],
  build: () => { columns: Column<I>[], sql: (rows: InputRows<I>) => string }, planned: 'once' | 'each time' = 'once',
): Statement {
  const many = inputs.length > 1
  const { text, name, values }: Template<I> = cache.template(many ? `${key}[]` : key, () => {
    const { columns, sql } = build()
    const rows = inputRows(columns, many)
    return { text: sql(rows), values: rows.values }
  }, planned)
  return { text, ...(name !== undefined && { name }), values: [tenant, ...values(inputs)] }
}

/** Statements of one kind that the server plans each time; `$1` is the tenant. */
export const plannedEachTime = (kind: string) =>
  ({ cache, names, tenant }: StatementContext, name: string, build: (table: (name: string) => string) => string, values: unknown[]): Statement =>
    ({ ...cache.unprepared(`${kind} ${name}`, () => build(names.table)), values: [tenant, ...values] })

/** Condition for the rows of one subject or key: `$1` is the tenant, the key values of the route follow. */
export function keyCondition(spec: TableSpec): string {
  return ['tenant_id = $1::text', ...columnsOf(spec).keys.map(({ sql }, at) => `${sql} = $${at + 2}::text`)].join(' and ')
}
