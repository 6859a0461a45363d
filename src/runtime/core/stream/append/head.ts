import type { Statement } from '../../sql/statement'
import type { StatementContext } from '../../sql/template'
import { CLOCK_MS } from '../../sql/clock'
import { lockOrder } from '../../sql/locking'
import { enterFenced } from './fence'
import type { HeadMode } from './expectation'

/** Claims the next version of one subject; returns no row when the expectation is not met. */
export function claimHead(context: StatementContext, mode: HeadMode, given: { subject: string, expected: string, fence: string, condition: string }): string {
  if (mode !== 'present') {
    return `${upsertHead(context, mode, `select $1::text, ${given.subject}, 1, `, given.fence, given.condition && ` where ${given.condition}`)}
  returning version, last_ts`
  }
  return `update ${context.names.table('heads')} as head
  set version = head.version + 1, last_ts = greatest(head.last_ts, ${CLOCK_MS})
  where tenant_id = $1::text and subject = ${given.subject}
    and version = coalesce(${given.expected}, version) and version > 0 and ${enterFenced(context, given.fence)} is not null${given.condition && ` and ${given.condition}`}
  returning version, last_ts`
}

/**
 * The same for several subjects, whose heads are locked in order of subject. `claims` are rows of subject, number of
 * events and, in mode `present`, expected version.
 */
export function claimHeads(context: StatementContext, mode: HeadMode, claims: string, fence: string): string {
  const heads = context.names.table('heads')
  // Evaluated once per statement: the time of a head never decreases in any case.
  const now = `(select ${CLOCK_MS})`
  if (mode !== 'present') {
    return `head as (
  ${upsertHead(context, mode, 'select $1::text, subject, events, ', fence, ` from ${claims} as i(subject, events) ${lockOrder(['subject'])}`, now)}
  returning subject, version, last_ts
)`
  }
  return `wanted as materialized (
  select head.subject, i.events, i.expected
  from ${claims} as i(subject, events, expected)
  join ${heads} head on head.tenant_id = $1::text and head.subject = i.subject
  where ${enterFenced(context, fence)} is not null
  order by head.subject
  for update of head
),
head as (
  update ${heads} as head
  set version = head.version + wanted.events, last_ts = greatest(head.last_ts, ${now})
  from wanted
  where head.tenant_id = $1::text and head.subject = wanted.subject
    and head.version = coalesce(wanted.expected, head.version) and head.version > 0
  returning head.subject, head.version, head.last_ts
)`
}

function upsertHead(context: StatementContext, mode: HeadMode, select: string, fence: string, from: string, now = CLOCK_MS): string {
  return `insert into ${context.names.table('heads')} as head (tenant_id, subject, version, first_id, last_ts)
  ${select}${enterFenced(context, fence)}, ${now}${from}
  on conflict (tenant_id, subject) do update
    set version = head.version + excluded.version, last_ts = greatest(head.last_ts, excluded.last_ts)${mode === 'absent' ? ' where head.version = 0' : ''}`
}

/**
 * Locks the heads of several subjects in order of subject, for appends that need more than one statement. A subject
 * without events gets a head of version 0, which counts as no head; `forgetHeads` deletes it when it is not used.
 */
export function lockHeads(context: StatementContext, subjects: string[], fence: string): Statement {
  return {
    ...context.cache.compile('lock heads', () => `
insert into ${context.names.table('heads')} as head (tenant_id, subject, version, first_id, last_ts)
select $1::text, subject, 0, ${enterFenced(context, '$3::bigint')}, 0
from pg_catalog.unnest($2::text[]) as subject ${lockOrder(['subject'])}
on conflict (tenant_id, subject) do update set version = head.version
returning subject, version, archived_version is not null as archived`),
    values: [context.tenant, subjects, fence],
  }
}

export function forgetHeads(context: StatementContext, subjects: string[]): Statement {
  return {
    ...context.cache.compile('forget heads', () => `
delete from ${context.names.table('heads')} where tenant_id = $1::text and subject = any($2::text[]) and version = 0`),
    values: [context.tenant, subjects],
  }
}

export function readHead(context: StatementContext, subject: string): Statement {
  return {
    ...context.cache.compile('read head', () => `
select version from ${context.names.table('heads')} where tenant_id = $1::text and subject = $2::text and version > 0`),
    values: [context.tenant, subject],
  }
}
