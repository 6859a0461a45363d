import { columnNamed } from '../shared/identifier'
import { CLOCK, NOW_MS } from '../sql/clock'
import type { InputColumn } from '../sql/rows'
import { statementFor } from '../sql/template'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { recordSql } from '../stream/lifecycle/archive'
import { rangeConditions, rangeShape, readColumns } from '../stream/read/sql'
import type { ReadInput } from '../stream/read/sql'
import type { CheckedRule } from './ruleChecks'

const COLUMNS = `id, condition::text as condition, threshold::double precision as threshold, window_ms::double precision as window_ms,
  result::text as result, otherwise::text as otherwise, active, place::double precision as place`

/** Stores a rule. Without a place of its own it keeps the one that it has, or comes behind all others. */
export function putRule(context: StatementContext, { id, when, threshold, windowMs, result, otherwise, active, order }: CheckedRule): Statement {
  const table = context.names.table('rules')
  return {
    ...context.cache.compile('rules put', () => `
insert into ${table} as r (tenant_id, id, condition, threshold, window_ms, result, otherwise, active, place)
values ($1::text, $2::text, $3::jsonb, $4::bigint, $5::bigint, $6::jsonb, $7::jsonb, $8::boolean,
  coalesce($9::bigint, (select pg_catalog.max(place) + 1 from ${table} where tenant_id = $1::text), 1))
on conflict (tenant_id, id) do update set condition = excluded.condition, threshold = excluded.threshold, window_ms = excluded.window_ms,
  result = excluded.result, otherwise = excluded.otherwise, active = excluded.active, place = coalesce($9::bigint, r.place), updated_at = ${CLOCK}
returning ${COLUMNS}`),
    values: [context.tenant, id, JSON.stringify(when), threshold, windowMs, result, otherwise ?? null, active, order ?? null],
  }
}

/** The rules in order: all, or one of them. `now`: milliseconds by the clock of the database. */
export function readEventRules(context: StatementContext, id?: string): Statement {
  return {
    ...context.cache.compile('rules read', () => `
select ${COLUMNS}, ${NOW_MS}::double precision as now from ${context.names.table('rules')}
where tenant_id = $1::text and ($2::text is null or id = $2::text) order by place, id`),
    values: [context.tenant, id ?? null],
  }
}

/** Milliseconds by the clock of the database. */
export const readClock = (context: StatementContext): Statement =>
  ({ ...context.cache.compile('rules clock', () => `select ${NOW_MS}::double precision as now`), values: [] })

export function deleteRule(context: StatementContext, id: string): Statement {
  return {
    ...context.cache.compile('rules delete', () => `
delete from ${context.names.table('rules')} where tenant_id = $1::text and id = $2::text`),
    values: [context.tenant, id],
  }
}

/** A field of an event by its path, and the JSON that it has to be. */
export interface FieldValue {
  path: string[]
  json: string
}

export interface CountInput extends ReadInput {
  fields: FieldValue[]
}

/**
 * Counts the events of a subject in a range, from the newest on and no further than to the limit of the range: the index
 * on versions gives them, and the ends of the range are versions. It is planned each time: a plan for any limit could read
 * the whole subject first.
 */
export function countEvents(context: StatementContext, input: CountInput): Statement {
  const { route: { spec }, range, fields } = input
  return statementFor(context, `rules count ${spec.table} ${rangeShape(range)} ${fields.length}`, [input], () => ({
    columns: [...readColumns(spec, range), ...fields.flatMap(fieldColumnsAt)],
    sql: (rows) => {
      const same = fields.map((_, at) => `(${recordSql(spec)}) #> ${rows.ref(`path ${at}`)} = ${rows.ref(`json ${at}`)}`)
      return `
select pg_catalog.count(*)::int as count from (
  select 1 from ${context.names.table(spec.table)}
  where ${[...rangeConditions(context, spec, range, rows), ...same].join('\n    and ')}
  order by version desc limit ${rows.ref('limit')}
) as counted`
    },
  }), 'each time')
}

const fieldColumnsAt = (_: FieldValue, at: number): InputColumn<CountInput>[] => [
  { ...columnNamed(`path ${at}`), cast: 'text[]', of: ({ fields }) => fields[at]!.path },
  { ...columnNamed(`json ${at}`), cast: 'jsonb', of: ({ fields }) => fields[at]!.json },
]
