import type { JsonObject } from '../json'
import { isObject } from '../json'
import type { Change, Patch } from '../spec/metadata'
import { castOf, fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { IndexSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import type { InputColumn, InputRows } from './rows'
import { inputRows, selectColumns } from './rows'

/** One entry: where its key leads, and its id. */
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
  /** How many calls this is; each of them counts in the version. */
  times: number
  expectedVersion: number | undefined
}

export function entryColumns<I extends EntryInput>(spec: IndexSpec): InputColumn<I>[] {
  return [
    ...keyColumns(spec).map((name, at) => ({ name, cast: 'text', of: (input: I) => input.route.keys[at] })),
    { name: spec.id, cast: 'text', of: input => input.id },
  ]
}

export function entryCondition<I>(columns: InputColumn<I>[], rows: InputRows<I>, table = ''): string {
  return [`${table}tenant_id = $1::text`, ...columns.map(({ name }) => `${table}"${name}" = ${rows.ref(name)}`)].join(' and ')
}

export function selectList(spec: IndexSpec, table = ''): string {
  return selectColumns(spec, [spec.id, 'score', 'version', ...fieldsOf(spec).map(field => field.column), spec.rest], table)
}

/** Adds entries or replaces them whole; one that is replaced keeps its place among equal scores. */
export function addEntries(context: StatementContext, inputs: AddInput[]): Statement {
  const { spec } = inputs[0]!.route
  const table = context.names.table(spec.table)
  const fields = fieldsOf(spec)
  const columns: InputColumn<AddInput>[] = [
    ...entryColumns<AddInput>(spec),
    { name: 'score', cast: 'double precision', of: input => input.score },
    ...fields.map((field, at) => ({
      name: field.column, cast: castOf(field.type), of: (input: AddInput) => input.columns[at] ?? null,
    })),
    { name: spec.rest, cast: 'jsonb', of: input => input.rest },
  ]
  const rows = inputRows(columns, inputs.length > 1)
  const keys = ['tenant_id', ...keyColumns(spec), spec.id]
  const replaced = ['score', ...fields.map(field => field.column), spec.rest]
  return {
    ...context.cache.compile(`add ${table} ${rows.from !== ''}`, () => `
insert into ${table} (tenant_id, ${columns.map(column => `"${column.name}"`).join(', ')})
select $1::text, ${columns.map(column => rows.ref(column.name)).join(', ')}${rows.from}${rows.from && '\norder by ord'}
on conflict (${keys.map(key => `"${key}"`).join(', ')}) do update set
  ${replaced.map(column => `"${column}" = excluded."${column}"`).join(', ')},
  version = 0, updated_at = statement_timestamp()`),
    values: [context.tenant, ...rows.values(inputs)],
  }
}

export function getEntries(context: StatementContext, inputs: EntryInput[]): Statement {
  const { spec } = inputs[0]!.route
  const table = context.names.table(spec.table)
  const columns = entryColumns(spec)
  const rows = inputRows(columns, inputs.length > 1)
  return {
    ...context.cache.compile(`get ${table} ${rows.from !== ''}`, () => rows.from
      ? `select i.ord, ${selectList(spec, 't.')}${rows.from}\njoin ${table} t on ${entryCondition(columns, rows, 't.')}`
      : `select 1 as ord, ${selectList(spec)} from ${table} where ${entryCondition(columns, rows)}`),
    values: [context.tenant, ...rows.values(inputs)],
  }
}

export function entryExists(context: StatementContext, input: EntryInput): Statement {
  return onEntry(context, input, 'exists', (table, where) => `select 1 from ${table} where ${where}`)
}

export function deleteEntry(context: StatementContext, input: EntryInput): Statement {
  return onEntry(context, input, 'delete', (table, where) => `delete from ${table} where ${where}`)
}

function onEntry(
  context: StatementContext, input: EntryInput, name: string, build: (table: string, where: string) => string,
): Statement {
  const { spec } = input.route
  const table = context.names.table(spec.table)
  const columns = entryColumns(spec)
  const rows = inputRows(columns, false)
  return {
    ...context.cache.compile(`${name} ${table}`, () => build(table, entryCondition(columns, rows))),
    values: [context.tenant, ...rows.values([input])],
  }
}

/**
 * Merges patches in one statement: columns are assigned or merged, the rest gets what no column takes. Inputs that
 * share a statement have one `shape`.
 */
export function updateEntries(context: StatementContext, inputs: UpdateInput[]): Statement {
  const { spec } = inputs[0]!.route
  const table = context.names.table(spec.table)
  const { patch, expectedVersion } = inputs[0]!
  const keys = entryColumns<UpdateInput>(spec)
  const changed = fieldsOf(spec).flatMap((field, at) => {
    const { action } = patch.changes[at]!
    if (action === 'keep') return []
    const column: InputColumn<UpdateInput> = { name: `c${at}`, cast: castOf(field.type), of: input => changeValue(input.patch.changes[at]!) }
    return [{ field, action, column }]
  })
  const form = restForm(patch.rest)
  const gone: InputColumn<UpdateInput> = { name: 'gone', cast: 'text[]', shared: true, of: input => goneNames(input.patch.rest) }
  const rest: InputColumn<UpdateInput>[] = {
    deep: [{ name: 'patch', cast: 'jsonb', of: (input: UpdateInput) => JSON.stringify(input.patch.rest) }],
    flat: [gone, { name: 'set', cast: 'jsonb', of: (input: UpdateInput) => JSON.stringify(setMembers(input.patch.rest)) }],
    gone: [gone],
  }[form]
  const counted: InputColumn<UpdateInput> = { name: 'times', cast: 'bigint', of: input => input.times }
  const expected: InputColumn<UpdateInput>[] = expectedVersion === undefined
    ? []
    : [{ name: 'expected', cast: 'bigint', of: input => input.expectedVersion }]
  const rows = inputRows([...keys, ...changed.map(({ column }) => column), ...rest, counted, ...expected], inputs.length > 1)
  return {
    ...context.cache.compile(`update ${table} ${patchShape(patch)} ${rows.from !== ''} ${expected.length}`, () => {
      const merge = context.names.table('merge_patch')
      const column = `t."${spec.rest}"`
      const written = {
        deep: () => `${merge}(coalesce(${column}, '{}'), ${rows.ref('patch')})`,
        flat: () => `(coalesce(${column}, '{}') - ${rows.ref('gone')}) || ${rows.ref('set')}`,
        // Untouched, a large rest is not written again.
        gone: () => `case when ${column} ?| ${rows.ref('gone')} then ${column} - ${rows.ref('gone')} else coalesce(${column}, '{}') end`,
      }[form]()
      const assignments = changed.map(({ field, action, column }) => action === 'merge'
        ? `${field.sql} = ${merge}(coalesce(t.${field.sql}, '{}'), ${rows.ref(column.name)})`
        : `${field.sql} = ${rows.ref(column.name)}`)
      return `
update ${table} t set
  ${assignments.map(assignment => `${assignment},\n  `).join('')}"${spec.rest}" = ${written},
  version = t.version + ${rows.ref('times')}, updated_at = statement_timestamp()${rows.from}
where ${entryCondition(keys, rows, 't.')}${expected.length ? ` and t.version = ${rows.ref('expected')}` : ''}
returning ${rows.ord} as ord`
    }),
    values: [context.tenant, ...rows.values(inputs)],
  }
}

function patchShape({ changes, rest }: Patch): string {
  return `${changes.map(change => change.action[0]).join('')} ${restForm(rest)}`
}

/** Patches of one group can share a statement: one shape, and the same names deleted from the rest. */
export function patchGroup(patch: Patch): string {
  return restForm(patch.rest) === 'deep' ? patchShape(patch) : `${patchShape(patch)} ${goneNames(patch.rest).sort().join('\0')}`
}

/** A flat patch needs no function: names go, members come. Most only let names go that are not there. */
function restForm(patch: JsonObject): 'deep' | 'flat' | 'gone' {
  const values = Object.values(patch)
  if (values.some(isObject)) return 'deep'
  return values.every(value => value === null) ? 'gone' : 'flat'
}

const goneNames = (patch: JsonObject) => Object.keys(patch).filter(name => patch[name] === null)

function setMembers(patch: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== null))
}

function changeValue(change: Change): unknown {
  if (change.action === 'keep') return null
  return change.action === 'merge' ? JSON.stringify(change.value) : change.value
}
