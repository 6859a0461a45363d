import type { Row, Session } from '../db/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import { CLOCK, millisecondsSql } from '../sql/clock'
import { storeLockKey } from '../shared/advisoryLock'
import { likeOf } from '../sql/like'
import type { Listing } from '../sql/listing'

/*
 * The registry of projections, and what readers see by it. Its table is small: all of these are planned each time, as a
 * plan from when it was empty would be wrong for long.
 */

const statement = plannedEachTime('projections')

/** The consumer of a build; the one of the side effects has no number. */
export const consumerOf = (name: string, build: string): string => `projection:${name}:${build}`
export const effectsOf = (name: string): string => `projection:${name}`

export type BuildState = 'building' | 'serving' | 'retired' | 'removed'

export interface BuildRow extends Row {
  name: string
  build: string
  version: string
  mode: 'async' | 'inline'
  state: BuildState
  prepared: boolean
  emptied: boolean
  /** JSON of which events it handles; null for one that is not inline. */
  filter: string | null
  /** JSON of what its states are found by; null: nothing. */
  declared: string | null
  /** Lowest and highest of the shards of its consumer; null before its first start. */
  position: string | null
  highest: string | null
  parked: number
  created_at: number
}

/** Changes of what is registered of one projection come one after the other. */
export const lockProjection = ({ names, tenant }: StatementContext, name: string): Statement => ({
  text: 'select pg_catalog.pg_advisory_xact_lock($1::bigint)', values: [storeLockKey(names, `projection ${JSON.stringify([tenant, name])}`)],
})

/** How long the rest of a transaction waits for a lock. */
export const limitWaits = (session: Pick<Session, 'query'>, waitMs: number) =>
  session.query({ text: 'select pg_catalog.set_config(\'lock_timeout\', $1::text, true)', values: [`${waitMs}ms`] })

/** All builds of a projection, the newest first. */
export function readBuilds(context: StatementContext, name: string): Statement {
  const consumer = '\'projection:\'::text || p.name || \':\'::text || p.build::text'
  return statement(context, 'builds', table => `
select p.name, p.build::text as build, p.version::text as version, p.mode, p.state, p.prepared, p.emptied, p.filter::text as filter, p.declared::text as declared, s.position, s.highest, w.parked,
  ${millisecondsSql('p.created_at')}::double precision as created_at
from ${table('projections')} p cross join lateral (
  select pg_catalog.min(position)::text as position, pg_catalog.max(position)::text as highest
  from ${table('consumer_shards')} where tenant_id = p.tenant_id and consumer = ${consumer}
) s cross join lateral (
  select pg_catalog.count(*)::int as parked from ${table('consumer_parked')} where tenant_id = p.tenant_id and consumer = ${consumer}
) w
where p.tenant_id = $1::text and p.name = $2::text order by p.build desc`, [name])
}

/** The build that serves; no row while none does. */
export function readServing(context: StatementContext, name: string): Statement {
  return statement(context, 'serving', table => `
select build::text as build, declared::text as declared from ${table('projections')}
where tenant_id = $1::text and name = $2::text and state = 'serving'::text`, [name])
}

export function addBuild(context: StatementContext, given: Pick<BuildRow, 'name' | 'mode' | 'state' | 'filter' | 'declared'> & { version: number }): Statement {
  return statement(context, 'add', table => `
insert into ${table('projections')} (tenant_id, name, build, version, mode, state, filter, declared)
select $1::text, $2::text, coalesce(pg_catalog.max(build), 0::bigint) + 1::bigint, $3::bigint, $4::text, $5::text, $6::jsonb, $7::jsonb
from ${table('projections')} where tenant_id = $1::text and name = $2::text`, [given.name, given.version, given.mode, given.state, given.filter, given.declared])
}

export function setState(context: StatementContext, given: { name: string, builds: string[], state: BuildState }): Statement {
  return statement(context, 'set state', table => `
update ${table('projections')} set state = $4::text, changed_at = ${CLOCK}
where tenant_id = $1::text and name = $2::text and build = any($3::bigint[])`, [given.name, given.builds, given.state])
}

/** Whether the tables of the caller are still to be made for a build; other processes wait for the one that makes them. */
export function lockUnprepared(context: StatementContext, given: { name: string, build: string }): Statement {
  return statement(context, 'lock unprepared', table => `
select build from ${table('projections')} where tenant_id = $1::text and name = $2::text and build = $3::bigint and not prepared for no key update`, [given.name, given.build])
}

/** Keeps a build from being switched until the transaction ends. No row: it was. */
export function holdBuilding(context: StatementContext, given: { name: string, build: string }): Statement {
  return statement(context, 'hold building', table => `
select build from ${table('projections')} where tenant_id = $1::text and name = $2::text and build = $3::bigint and state = 'building'::text for share`, [given.name, given.build])
}

/** Waits for those that hold it, and keeps others from it. */
export function endBuilding(context: StatementContext, given: { name: string, build: string }): Statement {
  return statement(context, 'end building', table => `
select build from ${table('projections')} where tenant_id = $1::text and name = $2::text and build = $3::bigint for update`, [given.name, given.build])
}

export function setPrepared(context: StatementContext, given: { name: string, build: string }): Statement {
  return statement(context, 'set prepared', table => `
update ${table('projections')} set prepared = true where tenant_id = $1::text and name = $2::text and build = $3::bigint`, [given.name, given.build])
}

export function setEmptied(context: StatementContext, given: { name: string, build: string }): Statement {
  return statement(context, 'set emptied', table => `
update ${table('projections')} set emptied = true where tenant_id = $1::text and name = $2::text and build = $3::bigint`, [given.name, given.build])
}

/** Forgets a projection of which nothing is left. */
export function forgetProjection(context: StatementContext, name: string): Statement {
  return statement(context, 'forget', table => `
delete from ${table('projections')} where tenant_id = $1::text and name = $2::text and state = 'removed'::text and emptied`, [name])
}

/** A row in any case, unless no build serves: with the states of those keys that have one. */
export function readServed(context: StatementContext, name: string, keys: string[]): Statement {
  return statement(context, 'served', table => `
select s.key, s.state::text as state from ${table('projections')} p
left join ${table('projection_states')} s on s.tenant_id = p.tenant_id and s.name = p.name and s.build = p.build and s.key = any($3::text[])
where p.tenant_id = $1::text and p.name = $2::text and p.state = 'serving'::text`, [name, keys])
}

export function listServed(context: StatementContext, name: string, { glob, after, limit }: Listing): Statement {
  const { pattern, from, to } = likeOf(glob)
  return statement(context, 'list', table => `
select s.key, s.state::text as state, s.position::text as position from ${table('projection_states')} s
where s.tenant_id = $1::text and s.name = $2::text and s.build = (
    select build from ${table('projections')} where tenant_id = $1::text and name = $2::text and state = 'serving'::text
  ) and s.key > $3::text and s.key >= $4::text and ($5::text is null or s.key < $5::text)
  and s.key like $6::text escape '\\' and s.state is not null
order by s.key limit $7::bigint`, [name, after, from, to, pattern, limit])
}
