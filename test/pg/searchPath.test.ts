import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { isSafePath } from '../../src/runtime/core/db/searchPath'
import { doctor } from '../../src/runtime/core/doctor/doctor'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { migrations, rollbackTo, runMigrations } from '../../src/runtime/core/schema/api'
import { runCli } from '../setup/commandLine'
import { freshDatabase, openStore } from '../setup/database'
import { hostileTemplate, onPath, onHostilePath } from '../setup/hostile'
import { openPeer } from '../setup/peer/index'
import { nodesOf, placeOf, readSources } from '../unit/sources'
import { namesIn } from './catalog'
import { contentOf, expectSame, fill } from './published'
import { openPool, servers } from './servers'

const FEW = { flows: 3, runs: 6, events: 30, triggers: 2, fires: 4, jobs: 4, keys: 6 }
const NAMES = { schema: 'public', prefix: 'nvent' }

// What the store does all day is in test/contract/awkward-names.test.ts.
describe.each(servers)('with functions and operators in the way on $name', ({ server }) => {
  const hostileDatabase = async () => freshDatabase(server, { template: await hostileTemplate(server) })

  it('migrates, looks at what it made, and takes it back', async () => {
    const { url, sql } = await hostileDatabase()
    const pool = openPool(onHostilePath(url))
    try {
      expect(await runMigrations(pool)).toEqual({ version: migrations.length, applied: migrations.length })
      const findings = await doctor(fromPool(pool), NAMES)
      // The settings of a server for tests are not those of a good one.
      expect(findings.filter(({ check, level }) => level === 'fail' && check !== 'settings')).toEqual([])
      expect(findings.filter(({ message }) => message.includes('hostile'))).toEqual([])
      expect(await runCli(['status', '--url', onHostilePath(url)])).toMatchObject({ code: 0 })
      await rollbackTo(pool, 'nvent', 0)
      expect(await namesIn(sql, 'public')).toEqual([])
    }
    finally {
      await pool.end()
    }
  })

  it('looks at streams and keys from the command line', async () => {
    const { url } = await hostileDatabase()
    const store = openStore({ connection: onHostilePath(url) })
    await store.stream.append('orders:1', { type: 'made' })
    await store.kv.set('a', 1, 60)
    for (const args of [['streams'], ['streams', '--tables'], ['kv', 'list'], ['kv', 'get', 'a']]) {
      expect(await runCli([...args, '--url', onHostilePath(url)]), args.join(' ')).toMatchObject({ code: 0 })
    }
  })

  it('adopts the tables of the published adapter', async () => {
    const { url } = await hostileDatabase()
    const peer = await openPeer(url)
    await fill(peer, FEW)
    const content = await contentOf(peer, FEW)
    await peer.close()
    await expectSame(openStore({ connection: onHostilePath(url) }), content)
  })

  it('refuses a search path on which operators and types of others come first', async () => {
    const { url, sql } = await freshDatabase(server)
    await sql('create schema others')
    await sql(`create function others.evil(text, text) returns boolean language plpgsql as $$ begin raise exception 'hostile'; end $$`)
    await sql('create operator others.= (function = others.evil, leftarg = text, rightarg = text)')
    const connection = onPath(url, 'others, pg_catalog')
    await expect(openStore({ connection }).ready()).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('pg_catalog') as string })
    const pool = openPool(connection)
    await expect(runMigrations(pool)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(openStore({ pool }).ready()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await pool.end()
    const { code, stderr } = await runCli(['migrate', '--url', connection])
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('search_path') as string })
    await openStore({ connection: onPath(url, 'others') }).ready()
  })
})

it.each([
  ['"$user", public', true],
  ['', true],
  ['nowhere', true],
  ['pg_catalog', true],
  ['pg_catalog, public', true],
  ['pg_temp, pg_catalog, public', true],
  ['"pg_catalog",public', true],
  ['my_pg_catalog, public', true],
  ['public, pg_catalog', false],
  ['public,PG_CATALOG', false],
  ['public, "pg_catalog"', false],
  ['pg_temp, public, pg_catalog', false],
])('the search path %j: safe is %s', (path, safe) => expect(isSafePath(path)).toBe(safe))

// Syntax that PostgreSQL turns into a call of its own function, and advice for people.
const EXEMPT = ['extract', 'pg_terminate_backend']

/** Calls of the server's functions in a text that leave to the search path whose function is meant. */
function unqualified(text: string, functions: Set<string>): string[] {
  return [...text.matchAll(/(?<![\w."])([a-z_][a-z0-9_]*)\(/g)].map(([, name]) => name!).filter(name => functions.has(name))
}

const isText = (node: ts.Node): node is ts.StringLiteralLike | ts.TemplateHead | ts.TemplateMiddle | ts.TemplateTail =>
  ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)

it.skipIf(servers.length === 0)('no SQL of the product leaves to the search path whose function it calls', async () => {
  const { sql } = await freshDatabase(servers[0]!.server)
  const rows = await sql<{ name: string }>(`select distinct proname as name from pg_proc where pronamespace = 'pg_catalog'::regnamespace`)
  const functions = new Set(rows.map(({ name }) => name).filter(name => !EXEMPT.includes(name)))
  expect(unqualified('select now(), pg_catalog.now(), count(*), my.lower(x), extract(year from y)', functions)).toEqual(['now', 'count'])

  // What migrations run as they are is under a fixed search path.
  const found = readSources().filter(({ name }) => !name.endsWith('.gen')).flatMap(source =>
    [...nodesOf(source.tree)].filter(isText).flatMap(node => unqualified(node.text, functions).map(name => `${placeOf(source, node)} ${name}`)))
  expect(found).toEqual([])
})

it.skipIf(servers.length === 0)('no function that the migrations leave in a database does', async () => {
  const { sql, pool } = await freshDatabase(servers[0]!.server)
  await runMigrations(pool)
  const rows = await sql<{ name: string }>(`select distinct proname as name from pg_proc where pronamespace = 'pg_catalog'::regnamespace`)
  const bodies = await sql<{ name: string, body: string }>(`select proname as name, prosrc as body from pg_proc where pronamespace = 'public'::regnamespace`)
  expect(bodies.length).toBeGreaterThan(0)
  const functions = new Set(rows.map(({ name }) => name))
  expect(bodies.flatMap(({ name, body }) => unqualified(body, functions).map(call => `${name}: ${call}`))).toEqual([])
})
