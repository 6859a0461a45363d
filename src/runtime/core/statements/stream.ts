import { valueFields } from '../spec/event'
import { fieldsOf } from '../spec/fields'
import type { Route } from '../spec/route'
import { keyColumns } from '../spec/route'
import type { StreamSpec } from '../spec/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from './context'
import { keyCondition, statementFor } from './context'
import type { InputColumn } from './rows'
import { selectColumns } from './rows'
import type { AppendInput } from './streamColumns'
import { appendShape } from './streamColumns'
import type { HeadMode } from './streamHead'
import { claimHead, claimHeads } from './streamHead'

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
  return statementFor(context, `append ${spec.table} ${shape.key}`, inputs, () => {
    const table = context.names.table(spec.table)
    const insert = (select: (column: InputColumn<AppendInput>) => string, head: string, from: string) => `
insert into ${table} (tenant_id, id, version, ts, ${shape.columns.map(column => `"${column.name}"`).join(', ')})
select $1::text, nextval(${context.names.literal('events_id_seq')}), ${head}version, ${head}last_ts, ${shape.columns.map(select).join(', ')} from ${from}
returning ${returned(context, spec, mode)}`
    return {
      columns: shape.sent,
      sql: (rows) => {
        const condition = eventId === undefined ? '' : isNew(table, spec, rows.ref)
        if (!rows.from) {
          return `
with head as (
  ${claimHead(context, mode, { subject: rows.ref('in subject'), expected: rows.ref('in expected'), condition })}
)${insert(column => rows.ref(column.name), 'head.', 'head')}`
        }
        const own = shape.sent.filter(column => !column.shared).map(({ name }) => `${rows.ref(name)} as "${name}"`)
        return `
with input as materialized (
  select ${own.join(', ')}, ord${rows.from}${condition && ` where ${condition}`}
),
${claimHeads(context, mode)},
numbered as (
  select input.*, head.last_ts,
    head.version - count(*) over (partition by "in subject") + row_number() over (partition by "in subject" order by ord) as version
  from input join head on head.subject = input."in subject"
  order by ord
)${insert(column => column.shared ? rows.ref(column.name) : `"${column.name}"`, '', 'numbered')}`
      },
    }
  }, planned)
}

/** Which stream a row belongs to is only asked where some may have none. */
function returned({ names }: StatementContext, spec: StreamSpec, mode: HeadMode): string {
  const key = mode === 'any' ? '' : `"${keyColumns(spec).at(-1)}" as key, `
  const unplaced = spec.partition ? `tableoid = ${names.literal(`${spec.table}_default`)}::regclass` : 'false'
  return `id::text, ts, version, ${key}${unplaced} as unplaced`
}

/** No event of that id on that subject, as far as this statement sees; the unique index knows the rest. */
function isNew(table: string, spec: StreamSpec, ref: (name: string) => string): string {
  const same = [...keyColumns(spec), 'event_id'].map(name => `known."${name}" = ${ref(name)}`).join(' and ')
  return `not exists (select 1 from ${table} known where known.tenant_id = $1::text and ${same})`
}

/** What `decodeEvent` reads. */
export function eventColumns(spec: StreamSpec, table = ''): string {
  return selectColumns(spec, ['id', 'ts', 'version', 'type', ...fieldsOf(spec).map(field => field.column), spec.rest], table)
}

/** What `decodeCells` reads, in its order. */
export function pageColumns(spec: StreamSpec): string {
  return selectColumns(spec, ['id', 'ts', 'version', 'type', ...valueFields(spec).map(field => field.column), spec.rest])
}

/** Takes the head row away; whoever appends meanwhile waits for its lock and starts a new stream. */
export function deleteHead(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('delete head', () => `
delete from ${context.names.table('heads')} where tenant_id = $1::text and subject = $2::text`),
    values: [context.tenant, subject],
  }
}

export function deleteEvents(context: StatementContext, route: Route<StreamSpec>): Statement {
  const table = context.names.table(route.spec.table)
  const compile = route.spec.partition ? context.cache.unprepared : context.cache.compile
  return {
    ...compile(`delete events ${table}`, () => `
delete from ${table} where ${keyCondition(['tenant_id', ...keyColumns(route.spec)])}`),
    values: [context.tenant, ...route.keys],
  }
}
