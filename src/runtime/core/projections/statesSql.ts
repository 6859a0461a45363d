import type { Row } from '../db/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'

/*
 * The states of one build. The table grows from nothing to millions of rows while a build is made: all of these are
 * planned each time.
 */

const statement = plannedEachTime('projection states')

export interface BuildKey {
  name: string
  build: string
}

export interface StateRow extends Row {
  key: string
  state: string | null
  revision: string
}

export function loadStates(context: StatementContext, { name, build }: BuildKey, keys: string[]): Statement {
  return statement(context, 'load', table => `
select key, state::text as state, revision::text as revision from ${table('projection_states')}
where tenant_id = $1::text and name = $2::text and build = $3::bigint and key = any($4::text[])`, [name, build, keys])
}

/**
 * The same rows, locked until the transaction ends; those that are missing are made, so that there is something to lock.
 * First those that are made, then those that are there, both in the order of the keys: what one transaction has made is
 * not there for another one yet, so they never wait for each other. A row that another one makes meanwhile is not returned.
 */
export function claimStates(context: StatementContext, { name, build }: BuildKey, keys: string[]): Statement {
  return statement(context, 'claim', table => `
with made as (
  insert into ${table('projection_states')} (tenant_id, name, build, key, state, position, revision)
  select $1::text, $2::text, $3::bigint, given.key, null, 0, 0 from pg_catalog.unnest($4::text[]) as given (key)
  where not exists (select from ${table('projection_states')} s where s.tenant_id = $1::text and s.name = $2::text and s.build = $3::bigint and s.key = given.key)
  order by given.key collate pg_catalog."C"
  on conflict do nothing
  returning key
)
select key, null::text as state, '0'::text as revision from made
union all
select key, state, revision from (
  select key, state::text as state, revision::text as revision from ${table('projection_states')}
  where tenant_id = $1::text and name = $2::text and build = $3::bigint and key = any($4::text[])
  order by key for no key update
) locked`, [name, build, keys])
}

/** What a state is found by. */
export interface FoundBy {
  /** JSON of its fields, and of the build that it belongs to. */
  fields: string
  /** Null where the state has no such number: it is in no sorted page. */
  rank: number | null
}

export interface StateChange {
  key: string
  /** JSON; null removes it. */
  state: string | null
  position: string
  /** The one that was read; 0 where there was no row. */
  revision: string
  /** Of a projection that declares fields. */
  found?: FoundBy | undefined
}

/** Writes states that nothing has changed since they were read. Fewer rows than states: something has. */
export function writeStates(context: StatementContext, { name, build }: BuildKey, changes: StateChange[]): Statement {
  const found = changes.map(change => change.found).filter(each => each !== undefined)
  const isFound = found.length > 0
  return statement(context, isFound ? 'write found' : 'write', table => `
insert into ${table('projection_states')} as s (tenant_id, name, build, key, state, position, revision${isFound ? ', fields, rank' : ''})
select $1::text, $2::text, $3::bigint, i.key, i.state, i.position, i.revision + 1::bigint${isFound ? ', i.fields, i.rank' : ''}
from rows from (pg_catalog.unnest($4::text[]), pg_catalog.jsonb_array_elements($5::jsonb), pg_catalog.unnest($6::bigint[]), pg_catalog.unnest($7::bigint[])${isFound ? ', pg_catalog.jsonb_array_elements($8::jsonb), pg_catalog.unnest($9::double precision[])' : ''})
  as i (key, state, position, revision${isFound ? ', fields, rank' : ''})
order by i.key collate pg_catalog."C"
on conflict (tenant_id, name, build, key) do update
set state = excluded.state, position = excluded.position, revision = excluded.revision${isFound ? ', fields = excluded.fields, rank = excluded.rank' : ''}
where s.revision = excluded.revision - 1::bigint
returning s.key`, [
    name, build, changes.map(({ key }) => key), `[${changes.map(({ state }) => state).join(',')}]`,
    changes.map(({ position }) => position), changes.map(({ revision }) => revision),
    ...isFound ? [`[${found.map(({ fields }) => fields).join(',')}]`, found.map(({ rank }) => rank)] : [],
  ])
}

/** Removes rows that nothing has changed since they were read. */
export function deleteStates(context: StatementContext, { name, build }: BuildKey, changes: Pick<StateChange, 'key' | 'revision'>[]): Statement {
  return statement(context, 'delete', table => `
delete from ${table('projection_states')} s
using rows from (pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::bigint[])) as i (key, revision)
where s.tenant_id = $1::text and s.name = $2::text and s.build = $3::bigint and s.key = i.key and s.revision = i.revision`,
  [name, build, changes.map(({ key }) => key), changes.map(({ revision }) => revision)])
}

/** Replaces a state by hand. A removed one leaves a row, so that a projection that has read it does not write it again. */
export function putState(context: StatementContext, { name, build }: BuildKey, key: string, state: string | null, found: FoundBy | null): Statement {
  return statement(context, 'put', table => `
insert into ${table('projection_states')} as s (tenant_id, name, build, key, state, position, revision, fields, rank)
values ($1::text, $2::text, $3::bigint, $4::text, $5::jsonb, 0, 1, $6::jsonb, $7::double precision)
on conflict (tenant_id, name, build, key) do update
set state = excluded.state, revision = s.revision + 1::bigint, fields = excluded.fields, rank = excluded.rank`, [name, build, key, state, found?.fields ?? null, found?.rank ?? null])
}

/** Deletes states of a build, so many at most. */
export function deleteSome(context: StatementContext, { name, build }: BuildKey, limit: number): Statement {
  return statement(context, 'delete some', table => `
with victim as (
  select key from ${table('projection_states')} where tenant_id = $1::text and name = $2::text and build = $3::bigint limit $4::bigint
)
delete from ${table('projection_states')} s using victim v where s.tenant_id = $1::text and s.name = $2::text and s.build = $3::bigint and s.key = v.key`, [name, build, limit])
}
