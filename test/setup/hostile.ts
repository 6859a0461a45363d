import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { PoolClient } from 'pg'
import { freshDatabase } from './database'
import type { ServerName } from './database'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

const HOSTILE = 'hostile'

const TYPES = [
  'text', 'varchar', 'name', '"char"', 'smallint', 'integer', 'bigint', 'numeric', 'double precision', 'boolean', 'jsonb', 'timestamptz',
  'timestamp', 'interval', 'regclass', 'oid', 'tid', 'text[]', 'bigint[]', 'jsonb[]', 'double precision[]', 'boolean[]', 'name[]',
]
const COMPARISONS = ['=', '<>', '<', '>', '<=', '>=', '~~', '@>', '?|']
const OTHERS = ['||', '+', '-', '*', '/', '%', '->', '->>', '#>', '#>>', '#-']

/** Names of functions that the product's files mention. */
function mentionedFunctions(): string[] {
  const names = new Set<string>()
  for (const folder of ['src', 'migrations']) {
    for (const file of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(?:ts|sql)$/.test(file)) continue
      for (const [, name] of readFileSync(join(ROOT, folder, file), 'utf8').matchAll(/\b([a-z_][a-z0-9_]*)\(/g)) names.add(name!)
    }
  }
  return [...names]
}

/**
 * Puts functions and operators in the way of the server's own: for every operand and argument that PostgreSQL has no
 * exact match for, one that matches exactly, and so is taken where a statement leaves the choice to the search path.
 * Each of them fails with its signature.
 */
async function createHostileObjects(client: PoolClient): Promise<void> {
  await client.query(`create schema ${HOSTILE}; grant usage on schema ${HOSTILE} to public`)
  await client.query('set search_path = pg_catalog')
  const list = (texts: string[]) => `array[${texts.map(text => client.escapeLiteral(text)).join(', ')}]`
  await client.query(`do $$
declare
  types text[] := ${list(TYPES)};
  l text;
  r text;
  symbol text;
  operation record;
  named record;
begin
  foreach l in array types loop
    execute format('create function ${HOSTILE}.minus(%s) returns %s language plpgsql as %L', l, l,
      format('begin raise exception %L; end', 'hostile operator - ' || l));
    if not exists (select from pg_operator where oprname = '-' and oprleft = 0 and oprright = l::regtype) then
      execute format('create operator ${HOSTILE}.- (function = ${HOSTILE}.minus, rightarg = %s)', l);
    end if;
    foreach r in array types loop
      foreach symbol in array array['compares', 'takes'] loop
        execute format('create function ${HOSTILE}.%I(%s, %s) returns %s language plpgsql as %L', symbol, l, r,
          case symbol when 'compares' then 'boolean' else l end, format('begin raise exception %L; end', format('hostile operator that %s %s and %s', symbol, l, r)));
      end loop;
      for operation in
        select s as symbol, f as function from unnest(${list(COMPARISONS)}, ${list(COMPARISONS.map(() => 'compares'))}) as c (s, f)
        union all select s, f from unnest(${list(OTHERS)}, ${list(OTHERS.map(() => 'takes'))}) as o (s, f)
      loop
        if not exists (select from pg_operator where oprname = operation.symbol and oprleft = l::regtype and oprright = r::regtype) then
          execute format('create operator ${HOSTILE}.%s (function = ${HOSTILE}.%I, leftarg = %s, rightarg = %s)', operation.symbol, operation.function, l, r);
        end if;
      end loop;
    end loop;
  end loop;

  for named in
    select wanted.proname as name, arguments
    from (
      select proname, max(case when provariadic <> 0 then 2 else 1 end) as most
      from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname = any(${list(mentionedFunctions())})
      group by proname
    ) wanted
    join (
      select array[a] as arguments from unnest(types) a
      union all select array[a, b] from unnest(types) a, unnest(types) b
    ) combinations on cardinality(arguments) <= most
    where not exists (
      select from pg_proc own where own.pronamespace = 'pg_catalog'::regnamespace and own.proname = wanted.proname
        and own.proargtypes::oid[] = (select array_agg(type::regtype::oid order by at) from unnest(arguments) with ordinality as given (type, at))
    )
  loop
    execute format('create function ${HOSTILE}.%I(%s) returns text language plpgsql as %L', named.name, array_to_string(named.arguments, ', '),
      format('begin raise exception %L; end', format('hostile function %s(%s)', named.name, array_to_string(named.arguments, ', '))));
  end loop;
end $$`)
  await client.query('reset search_path')
}

const templates = new Map<ServerName, Promise<string>>()

/** A database that holds them; to make one takes long, to copy it does not. */
export function hostileTemplate(server: ServerName): Promise<string> {
  let template = templates.get(server)
  if (!template) templates.set(server, template = makeTemplate(server))
  return template
}

async function makeTemplate(server: ServerName): Promise<string> {
  const { name, pool } = await freshDatabase(server, { name: HOSTILE })
  const client = await pool.connect()
  await createHostileObjects(client)
  client.release()
  await pool.end()
  return name
}

/** The same database for sessions that find them. */
export const onHostilePath = (url: string): string => onPath(url, `${HOSTILE}, public`)

/** The same database for sessions with another search path. */
export function onPath(url: string, path: string): string {
  const changed = new URL(url)
  changed.searchParams.set('options', `-c search_path=${path.replaceAll(' ', '')}`)
  return changed.href
}
