import type { Names } from '../shared/identifier'
import { columnsOf } from '../tables/fields'
import type { TableSpec } from '../tables/types'
import type { Statement, StatementCache, Template } from './statement'
import type { Column, InputRows } from './rows'
import { inputRows } from './rows'

/** What every statement is compiled for: the names of one store, its cache of texts, and the tenant. */
export interface StatementContext {
  names: Names
  cache: StatementCache
  tenant: string
}

/**
 * A statement for one input, or for many of the same shape. `key` names the shape; columns and text are only made
 * when it comes for the first time.
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

/** The rows of one subject or key: the tenant is the first parameter, and the values of its route follow. */
export function keyCondition(spec: TableSpec): string {
  return ['tenant_id = $1::text', ...columnsOf(spec).keys.map(({ sql }, at) => `${sql} = $${at + 2}::text`)].join(' and ')
}
