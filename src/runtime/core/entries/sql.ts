import type { JsonObject } from '../shared/json'
import type { Change, Patch, RestForm } from '../tables/metadata'
import { castOf, columnsOf, fieldsOf } from '../tables/fields'
import type { Route } from '../tables/route'
import type { IndexSpec } from '../tables/types'
import type { NamedColumn } from '../shared/identifier'
import { columnNamed } from '../shared/identifier'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { statementFor } from '../sql/template'
import { inputsLocked, lockOrder } from '../sql/locking'
import type { InputColumn, InputRows } from '../sql/rows'
import { fieldColumns, fieldInput, lookUp, sameAsInput, selectColumns } from '../sql/rows'

/** An entry: the route of its key, and its id. */
export interface EntryInput {
  route: Route<IndexSpec>
  id: string
}

export interface AddInput extends EntryInput {
  score: number
  columns: unknown[]
  rest: string | null
}

export interface UpdateInput extends EntryInput {
  patch: Patch
  /** Number of combined calls. Each of them increments the version. */
  times: number
  expectedVersion: number | undefined
}

export function indexKeys<I extends Pick<EntryInput, 'route'>>(spec: IndexSpec): InputColumn<I>[] {
  return columnsOf(spec).keys.map((column, at) => ({ ...column, cast: 'text', of: (input: I) => input.route.keys[at] }))
}

export function entryColumns<I extends EntryInput>(spec: IndexSpec): InputColumn<I>[] {
  return [
    ...indexKeys<I>(spec),
    { ...columnsOf(spec).id, cast: 'text', of: input => input.id },
  ]
}

/** The columns from which an entry is decoded. */
export function listedColumns(spec: IndexSpec): NamedColumn[] {
  const { id, rest } = columnsOf(spec)
  return [id, columnNamed('score'), columnNamed('version'), ...fieldColumns(fieldsOf(spec)), rest]
}

export const selectList = (spec: IndexSpec): string => selectColumns(spec, listedColumns(spec))

/**
 * Adds or completely replaces entries. A replaced entry keeps its position among equal scores. Positions (`seq`) are
 * assigned in the order of the calls; rows are locked in the order of their keys, so that two instances never deadlock.
 */
export function addEntries(context: StatementContext, inputs: AddInput[]): Statement {
  const { spec } = inputs[0]!.route
  return statementFor(context, `add ${spec.table}`, inputs, () => {
    const entry = entryColumns<AddInput>(spec)
    const content: InputColumn<AddInput>[] = [
      { ...columnNamed('score'), cast: 'double precision', of: input => input.score },
      ...fieldsOf(spec).map((field, at) => fieldInput(field, (input: AddInput) => input.columns[at] ?? null)),
      { ...columnsOf(spec).rest, cast: 'jsonb', of: input => input.rest },
    ]
    const columns = [...entry, ...content]
    const keys = entry.map(({ sql }) => sql)
    const names = columns.map(({ sql }) => sql).join(', ')
    const seq = `pg_catalog.nextval(${context.names.literal('entries_seq')})`
    return {
      columns,
      sql: (rows) => {
        const values = columns.map(({ name, sql }) => `${rows.ref(name)} as ${sql}`).join(', ')
        return `
insert into ${context.names.table(spec.table)} (tenant_id, ${names}, seq)
select $1::text, ${names}, seq from (select ${values}, ${seq} as seq${rows.from}${rows.from && ' order by ord'}) as entry
${rows.from && lockOrder(keys)}
on conflict (tenant_id, ${keys.join(', ')}) do update set
  ${content.map(({ sql }) => `${sql} = excluded.${sql}`).join(', ')},
  version = 0, updated_at = pg_catalog.statement_timestamp()`
      },
    }
  })
}

export function getEntries(context: StatementContext, inputs: EntryInput[]): Statement {
  const { spec } = inputs[0]!.route
  return statementFor(context, `get ${spec.table}`, inputs, () => {
    const columns = entryColumns(spec)
    const table = context.names.table(spec.table)
    return {
      columns,
      sql: rows => lookUp(rows, `select ${selectList(spec)} from ${table} where ${sameAsInput(columns, rows)} limit 1`),
    }
  })
}

export function deleteEntry(context: StatementContext, input: EntryInput): Statement {
  const { spec } = input.route
  return statementFor(context, `delete ${spec.table}`, [input], () => {
    const columns = entryColumns(spec)
    return { columns, sql: rows => `delete from ${context.names.table(spec.table)} where ${sameAsInput(columns, rows)}` }
  })
}

/**
 * Merges patches in one statement: columns are assigned or merged, all other values go into the rest. Inputs that share a
 * statement belong to one group.
 */
export function updateEntries(context: StatementContext, inputs: UpdateInput[]): Statement {
  const [{ route: { spec }, patch, expectedVersion }] = inputs as [UpdateInput]
  return statementFor(context, `update ${spec.table} ${patch.shape.key} ${expectedVersion !== undefined}`, inputs, () => {
    const keys = entryColumns<UpdateInput>(spec)
    const changed = changedColumns(spec, patch)
    const { rest: form } = patch.shape
    const rest = restColumns[form]
    const expected: InputColumn<UpdateInput>[] = expectedVersion === undefined
      ? []
      : [{ ...columnNamed('expected'), cast: 'bigint', of: input => input.expectedVersion }]
    const times: InputColumn<UpdateInput> = { ...columnNamed('times'), cast: 'bigint', of: input => input.times }
    return {
      columns: [...keys, ...changed.map(({ column }) => column), ...rest, times, ...expected],
      sql: (rows) => {
        const { rest: { sql: written } } = columnsOf(spec)
        const [table, merge] = [context.names.table(spec.table), context.names.table('merge_patch')]
        const assignments = changed.map(({ field, action, column }) => action === 'merge'
          ? `${field.sql} = ${merge}(coalesce(t.${field.sql}, '{}'), ${rows.ref(column.name)})`
          : `${field.sql} = ${rows.ref(column.name)}`)
        return `
update ${table} t set
  ${assignments.map(assignment => `${assignment},\n  `).join('')}${written} = ${writtenRest(form, `t.${written}`, merge, rows)},
  version = t.version + ${rows.ref('times')}, updated_at = pg_catalog.statement_timestamp()${inputsLocked('from', table, keys, rows)}
where ${sameAsInput(keys, rows, 't.')}${expected.length ? ` and t.version = ${rows.ref('expected')}` : ''}
returning ${rows.ord} as ord`
      },
    }
  })
}

function changedColumns(spec: IndexSpec, patch: Patch) {
  return fieldsOf(spec).flatMap((field, at) => {
    const { action } = patch.changes[at]!
    if (action === 'keep') return []
    const column: InputColumn<UpdateInput> = {
      ...columnNamed(`c${at}`), cast: castOf(field.type), required: action === 'merge', of: input => changeValue(input.patch.changes[at]!),
    }
    return [{ field, action, column }]
  })
}

const goneColumn: InputColumn<UpdateInput> = { ...columnNamed('gone'), cast: 'text[]', shared: true, of: input => input.patch.shape.gone }
const restColumns: Record<RestForm, InputColumn<UpdateInput>[]> = {
  deep: [{ ...columnNamed('patch'), cast: 'jsonb', required: true, of: input => JSON.stringify(input.patch.rest) }],
  flat: [goneColumn, { ...columnNamed('set'), cast: 'jsonb', required: true, of: input => JSON.stringify(setMembers(input.patch.rest)) }],
  gone: [goneColumn],
}

/**
 * The new value of the rest. Only a deep patch needs `merge_patch`: a flat one deletes and sets members with operators.
 * Most patches only delete members that do not exist.
 */
function writtenRest(form: RestForm, column: string, merge: string, rows: InputRows<UpdateInput>): string {
  if (form === 'deep') return `${merge}(coalesce(${column}, '{}'), ${rows.ref('patch')})`
  const gone = rows.ref('gone')
  if (form === 'flat') return `(coalesce(${column}, '{}') - ${gone}) || ${rows.ref('set')}`
  // An unchanged expression, so that PostgreSQL does not rewrite a large rest.
  return `case when ${column} ?| ${gone} then ${column} - ${gone} else coalesce(${column}, '{}') end`
}

function setMembers(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== null))
}

function changeValue(change: Change): unknown {
  if (change.action === 'keep') return null
  return change.action === 'merge' ? JSON.stringify(change.value) : change.value
}
