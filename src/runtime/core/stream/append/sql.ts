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

/** What all forms of the statement are made of. */
interface Parts {
  context: StatementContext
  spec: StreamSpec
  mode: HeadMode
  shape: AppendShape
  rows: InputRows<AppendInput>
}

/**
 * Appends events in one statement. All of them go to one partition, expect their stream in one mode, and all or none
 * have ids. The claim of the head row orders the writers of a subject: version, id and time are taken while its lock
 * is held, so all three grow in the order the events commit. Heads are locked in order of subject, so that two
 * batches never wait for each other. An event whose id is known, and one whose stream is not as expected, has no row.
 */
export function appendEvents(context: StatementContext, inputs: AppendInput[]): Statement {
  const [{ route: { spec }, expectation: { mode }, eventId }] = inputs as [AppendInput]
  const shape = appendShape(spec, inputs)
  // With an id the table is looked into: a plan for any value would hold every partition.
  const planned = eventId !== undefined && spec.partition ? 'each time' : 'once'
  const form = inputs.length === 1 ? one : eventId === undefined ? many : manyOfIds
  return statementFor(context, `append ${spec.table} ${shape.key}`, inputs, () => ({
    columns: shape.sent,
    sql: rows => form({ context, spec, mode, shape, rows }),
  }), planned)
}

function one(parts: Parts): string {
  const { context, mode, shape, rows: { ref } } = parts
  const condition = shape.ids ? isNew(parts) : ''
  return `
with head as (
  ${claimHead(context, mode, { subject: ref('in subject'), expected: ref('in expected'), condition })}
)
${insert(parts, 'head.version, head.last_ts', column => ref(column.name))} from head
${returned(parts)}`
}

/**
 * The heads are claimed by lists of their own, and what they gave is found by the place of the subject: rows with
 * wide events are neither joined, sorted nor counted. A head that was not as expected leaves its place empty.
 */
function many(parts: Parts): string {
  const { context, mode, rows: { ref, from } } = parts
  const version = `claimed.versions[${ref(CLAIM.place)}]`
  return `
with ${claimHeads(context, mode, claimTable(mode, ref))},
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

/** Which events are new, and so how many a head has to give, only shows in the statement. */
function manyOfIds(parts: Parts): string {
  const { context, mode, shape, rows: { ref, ord, from } } = parts
  const own = shape.sent.filter(column => !isShared(column)).map(({ name, sql }) => `${ref(name)} as ${sql}`)
  const expected = mode === 'present' ? ', pg_catalog.max("in expected")' : ''
  return `
with input as materialized (
  select ${own.join(', ')}, ${ord} as ord${from} where ${isNew(parts)}
),
${claimHeads(context, mode, `(select "in subject", pg_catalog.count(*)${expected} from input group by "in subject")`)},
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

/** Which stream a row belongs to, and whether it has a table of its own, is only asked where some may have none. */
function returned({ context: { names }, spec, mode }: Parts): string {
  const key = mode === 'any' ? '' : `, ${columnsOf(spec).keys.at(-1)!.sql} as key`
  const unplaced = spec.partition ? `, tableoid = ${names.literal(`${spec.table}_default`)}::regclass::oid as unplaced` : ''
  return `returning id::text, ts, version${key}${unplaced}`
}

/** No event of that id on that subject, in the log or archived, as far as this statement sees; the unique index knows the rest. */
function isNew({ context: { names }, spec, rows }: Parts): string {
  const same = sameAsInput([...columnsOf(spec).keys, columnNamed('event_id')], rows, 'known.')
  return `not exists (select 1 from ${names.table(spec.table)} known where ${same})
  and not exists (select 1 from ${names.table('events_archive')} known where ${isKnown(rows, 'known.')})`
}
