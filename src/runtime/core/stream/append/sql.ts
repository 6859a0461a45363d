import { columnNamed } from '../../shared/identifier'
import { columnsOf } from '../../tables/fields'
import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { statementFor } from '../../sql/template'
import type { InputColumn, InputRows } from '../../sql/rows'
import { isShared, sameAsInput } from '../../sql/rows'
import { isKnown } from '../lifecycle/archive'
import { CLAIM, claimTable } from './claims'
import type { AppendShape } from './appendShape'
import { appendShape } from './appendShape'
import type { HeadMode } from './expectation'
import type { AppendInput } from './input'
import { claimHead, claimHeads } from './head'

/** The input of all forms of the statement. */
interface Parts {
  context: StatementContext
  spec: StreamSpec
  mode: HeadMode
  shape: AppendShape
  rows: InputRows<AppendInput>
}

/**
 * Appends events in one statement. All of them belong to one partition and have one mode of expectation, and either all
 * or none have ids. The lock of the head row serializes the writers of a subject: version, id and time are assigned while
 * it is held, so all three grow in commit order. Heads are locked in order of subject, so that two batches never
 * deadlock. An event whose id exists already, or whose expectation is not met, returns no row.
 */
export function appendEvents(context: StatementContext, inputs: AppendInput[], fence: string): Statement {
  const [{ route: { spec }, expectation: { mode }, eventId }] = inputs as [AppendInput]
  const shape = appendShape(spec, inputs)
  // Appends with ids search the table: a generic plan would include every partition.
  const planned = eventId !== undefined && spec.partition ? 'each time' : 'once'
  const form = inputs.length === 1 ? one : eventId === undefined ? many : manyOfIds
  const statement = statementFor(context, `append ${spec.table} ${shape.key}`, inputs, () => ({
    columns: shape.sent,
    sql: rows => form({ context, spec, mode, shape, rows }),
  }), planned)
  return { ...statement, values: [...statement.values, fence] }
}

/** The last parameter, behind those of the columns. */
const fenceOf = ({ shape }: Parts): string => `$${shape.sent.length + 2}::bigint`

function one(parts: Parts): string {
  const { context, mode, shape, rows: { ref } } = parts
  const condition = shape.ids ? isNew(parts) : ''
  return `
with head as (
  ${claimHead(context, mode, { subject: ref('in subject'), expected: ref('in expected'), fence: fenceOf(parts), condition })}
)
${insert(parts, 'head.version, head.last_ts', column => ref(column.name))} from head
${returned(parts)}`
}

/**
 * The heads are claimed with separate arrays, and each event finds the claimed version by the position of its subject:
 * rows with wide events are neither joined, sorted nor counted. A head that did not meet the expectation leaves a null.
 */
function many(parts: Parts): string {
  const { context, mode, rows: { ref, from } } = parts
  const version = `claimed.versions[${ref(CLAIM.place)}]`
  return `
with ${claimHeads(context, mode, claimTable(mode, ref), fenceOf(parts))},
claimed as (
  select pg_catalog.array_agg(version) as versions, pg_catalog.array_agg(last_ts) as times
  from (
    select head.version, head.last_ts
    from pg_catalog.unnest(${ref(CLAIM.subject)}) with ordinality as i(subject, place) left join head on head.subject = i.subject
    order by place
  ) head
)
${insert(parts, `${version} - ${ref(CLAIM.later)}, claimed.times[${ref(CLAIM.place)}]`, column => ref(column.name))}${from}, claimed
${mode === 'any' ? '' : `where ${version} is not null\n`}${returned(parts)}`
}

/** With ids, only the statement itself can determine which events are new, and so how many versions a head has to assign. */
function manyOfIds(parts: Parts): string {
  const { context, mode, shape, rows: { ref, ord, from } } = parts
  const own = shape.sent.filter(column => !isShared(column)).map(({ name, sql }) => `${ref(name)} as ${sql}`)
  const expected = mode === 'present' ? ', pg_catalog.max("in expected")' : ''
  return `
with input as materialized (
  select ${own.join(', ')}, ${ord} as ord${from} where ${isNew(parts)}
),
${claimHeads(context, mode, `(select "in subject", pg_catalog.count(*)${expected} from input group by "in subject")`, fenceOf(parts))},
numbered as (
  select input.*, head.last_ts,
    head.version - pg_catalog.count(*) over (partition by "in subject") + pg_catalog.row_number() over (partition by "in subject" order by ord) as version
  from input join head on head.subject = input."in subject"
  order by ord
)
${insert(parts, 'version, last_ts', column => column.shared ? ref(column.name) : column.sql)} from numbered
${returned(parts)}`
}

function insert({ context: { names }, spec, shape: { columns } }: Parts, head: string, select: (column: InputColumn<AppendInput>) => string): string {
  return `insert into ${names.table(spec.table)} (tenant_id, id, version, ts, ${columns.map(({ sql }) => sql).join(', ')})
select $1::text, pg_catalog.nextval(${names.literal('events_id_seq')}), ${head}, ${columns.map(select).join(', ')}`
}

/** The returned columns. The key is only needed where inputs may have no row, `unplaced` only for partitioned tables. */
function returned({ context: { names }, spec, mode }: Parts): string {
  const key = mode === 'any' ? '' : `, ${columnsOf(spec).keys.at(-1)!.sql} as key`
  const unplaced = spec.partition ? `, tableoid = ${names.literal(`${spec.table}_default`)}::regclass::oid as unplaced` : ''
  return `returning id::text, ts, version${key}${unplaced}`
}

/**
 * Condition: no event with that id on that subject in the log or the archive, in the statement's snapshot. The unique
 * index catches events committed since.
 */
function isNew({ context: { names }, spec, rows }: Parts): string {
  const same = sameAsInput([...columnsOf(spec).keys, columnNamed('event_id')], rows, 'known.')
  return `not exists (select 1 from ${names.table(spec.table)} known where ${same})
  and not exists (select 1 from ${names.table('events_archive')} known where ${isKnown(rows, 'known.')})`
}
