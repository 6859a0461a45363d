import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { Pool } from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { openPglite } from '../../src/runtime/core/db/pglite/pglite'
import { migrationSql, plan } from '../../src/runtime/core/schema/migrationPlan'
import { migrate, requireCurrent, rollback } from '../../src/runtime/core/schema/migrate'
import type { Migration } from '../../src/runtime/core/schema/types'
import { compiled } from '../setup/compiled'
import { freshDatabase, onFileEnd } from '../setup/database'
import type { Database } from '../setup/database'
import { hasPgBouncer, startPgBouncer } from '../setup/pgbouncer'
import { openPool, servers } from './servers'
import { inStatements, step, table } from './steps'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const names = { schema: 'app', prefix: 'n' }
const ROWS = 2_500
const BATCH = 500

const filled = step(1, `create table "{schema}"."{prefix}_big" (id int primary key, a int, b int, c int); insert into "{schema}"."{prefix}_big" (id, a, b) select at, at, at from generate_series(1, ${ROWS}) at`, 'drop table "{schema}"."{prefix}_big"')

const indexed = inStatements(2, `
  create index concurrently "idx_{prefix}_big_a" on "{schema}"."{prefix}_big" (a);
  comment on table "{schema}"."{prefix}_big" is 'a; b';
  create unique index concurrently "idx_{prefix}_big_b" on "{schema}"."{prefix}_big" (b);
`, 'drop index "{schema}"."idx_{prefix}_big_a", "{schema}"."idx_{prefix}_big_b"')

const rewritten = inStatements(2, `
  comment on column "{schema}"."{prefix}_big".c is 'twice a';
  -- batched
  update "{schema}"."{prefix}_big" set c = a * 2
  where id in (select id from "{schema}"."{prefix}_big" where c is null and a is not null limit ${BATCH});
  alter table "{schema}"."{prefix}_big" alter column c set not null;
`)

const MODULES = ['src/runtime/core/schema/migrate.ts', 'src/runtime/core/db/pg/pg.ts']

/** Runs a migration in a process of its own, which says what it does. */
const RUNNER = `
  import pg from 'pg'
  const { names, migrations, modules } = JSON.parse(process.env.RUNNER_INPUT)
  const [{ migrate }, { fromPool }] = await Promise.all(modules.map(path => import(path)))
  const pool = new pg.Pool({ connectionString: process.env.RUNNER_URL })
  pool.on('error', () => {})
  const say = message => process.stdout.write(JSON.stringify(message) + '\\n')
  say(await migrate(fromPool(pool), names, migrations, { onProgress: say }))
  await pool.end()
`

describe.each(servers)('kinds of migrations on $name', ({ server }) => {
  let database: Database
  let pool: Pool

  beforeEach(async () => {
    database = await freshDatabase(server)
    pool = openPool(database.url)
    return () => pool.end()
  })

  const db = () => fromPool(pool)
  const applied = () => database.sql('select version, step, breaking from app.n_schema_version order by version')
  const indexes = () => database.sql<{ name: string, valid: boolean }>(`
    select c.relname as name, indisvalid as valid from pg_index join pg_class c on c.oid = indexrelid
    where c.relname like 'idx_n_big%' order by 1`)
  const changed = async () => Number((await database.sql<{ count: string }>('select count(*) from app.n_big where c = a * 2'))[0]!.count)

  function startRunner(migrations: Migration[]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', RUNNER], {
      cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, RUNNER_URL: database.url, RUNNER_INPUT: JSON.stringify({ names, migrations, modules: MODULES.map(compiled) }) },
    })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const ended = once(child, 'close')
    return {
      says: (text: string) => expect.poll(() => said).toContain(text),
      kill: async () => {
        child.kill('SIGKILL')
        await ended
      },
      result: async () => {
        await ended
        return JSON.parse(said.trim().split('\n').at(-1)!) as unknown
      },
    }
  }

  /** An open transaction that a concurrent index has to wait for. */
  async function holdRows() {
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    await client.query('begin')
    await client.query('update app.n_big set a = a where id = 1')
    return async () => {
      await client.query('rollback')
      await client.end()
    }
  }

  describe('without a transaction', () => {
    it('run statement by statement, and can be taken back', async () => {
      const statements: number[] = []
      expect(await migrate(db(), names, [filled, indexed], { onProgress: ({ statement }) => statements.push(statement) })).toEqual({ version: 2, applied: 2 })
      expect(statements).toEqual([1, 2, 3])
      expect(await indexes()).toEqual([{ name: 'idx_n_big_a', valid: true }, { name: 'idx_n_big_b', valid: true }])
      expect(await applied()).toEqual([{ version: 1, step: null, breaking: false }, { version: 2, step: null, breaking: false }])
      expect(await migrate(db(), names, [filled, indexed])).toEqual({ version: 2, applied: 0 })
      await rollback(db(), names, 0, [filled, indexed])
      expect(await indexes()).toEqual([])
    })

    it('drop the invalid index that a failure left, and go on at its statement', async () => {
      await migrate(db(), names, [filled])
      await database.sql('update app.n_big set b = 1 where id in (1, 2)')
      await expect(migrate(db(), names, [filled, indexed])).rejects.toMatchObject({
        code: 'MIGRATION_FAILED', message: expect.stringMatching(/migration 2 \(step 2\) stopped at statement 3 of 3, where the next run goes on/) as string,
        details: { version: 2, statement: 3, sqlState: '23505' },
      })
      expect(await indexes()).toEqual([{ name: 'idx_n_big_a', valid: true }, { name: 'idx_n_big_b', valid: false }])
      expect(await plan(db(), names, [filled, indexed])).toEqual({
        version: 1, latest: 2, pending: [{ version: 2, name: 'step 2', transaction: false, breaking: false, done: 2 }],
      })
      await expect(requireCurrent(db(), names, [filled, indexed])).rejects.toMatchObject({ code: 'SCHEMA_BEHIND', details: { version: 1 } })
      await expect(rollback(db(), names, 0, [filled, indexed])).rejects.toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringContaining('not complete') as string })

      await database.sql('update app.n_big set b = null')
      const statements: number[] = []
      expect(await migrate(db(), names, [filled, indexed], { onProgress: ({ statement }) => statements.push(statement) })).toEqual({ version: 2, applied: 1 })
      expect(statements).toEqual([3])
      expect(await indexes()).toEqual([{ name: 'idx_n_big_a', valid: true }, { name: 'idx_n_big_b', valid: true }])
    })

    it('do not build again what was complete when the process died before it could say so', async () => {
      await migrate(db(), names, [filled, indexed])
      const built = await database.sql('select oid, relname from pg_class where relname like \'idx_n_big%\' order by 2')
      await database.sql('update app.n_schema_version set step = 0 where version = 2')
      expect(await migrate(db(), names, [filled, indexed])).toEqual({ version: 2, applied: 1 })
      expect(await database.sql('select oid, relname from pg_class where relname like \'idx_n_big%\' order by 2')).toEqual(built)
    })

    it('are finished by the next process when one is killed while it builds an index', async () => {
      await migrate(db(), names, [filled])
      const release = await holdRows()
      const runner = startRunner([filled, indexed])
      await runner.says('"statement":1')
      await expect.poll(() => indexes()).toEqual([{ name: 'idx_n_big_a', valid: false }])
      await runner.kill()
      // The server notices later that nobody listens.
      await database.sql('select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and query like \'create index%\'')
      await release()
      expect(await indexes()).toEqual([{ name: 'idx_n_big_a', valid: false }])
      expect(await migrate(db(), names, [filled, indexed])).toEqual({ version: 2, applied: 1 })
      expect((await indexes()).map(({ valid }) => valid)).toEqual([true, true])
    })

    it('are applied once when many start at the same time, also where snapshots are kept by default', async () => {
      await database.sql(`alter database ${database.name} set default_transaction_isolation = 'serializable'`)
      await migrate(db(), names, [filled])
      const pools = Array.from({ length: 4 }, () => openPool(database.url))
      try {
        const release = await holdRows()
        const runs = Promise.all(pools.map(each => migrate(fromPool(each), names, [filled, indexed, table(3)])))
        // All of them are here, one of them builds and the others look for the lock.
        await expect.poll(() => indexes()).toEqual([{ name: 'idx_n_big_a', valid: false }])
        await release()
        const results = await runs
        expect(results.map(({ version }) => version)).toEqual([3, 3, 3, 3])
        expect(results.reduce((sum, each) => sum + each.applied, 0)).toBe(2)
      }
      finally {
        await Promise.all(pools.map(each => each.end()))
      }
    })

    it.skipIf(!hasPgBouncer())('are applied once also behind a pooler in transaction mode', async () => {
      const bouncer = await startPgBouncer(database.url, { pool_mode: 'transaction' })
      const pools = Array.from({ length: 4 }, () => openPool(bouncer.urlOf(database.url)))
      try {
        const results = await Promise.all(pools.map(each => migrate(fromPool(each), names, [filled, indexed, table(3)])))
        expect(results.map(({ version }) => version)).toEqual([3, 3, 3, 3])
        expect(results.reduce((sum, each) => sum + each.applied, 0)).toBe(3)
      }
      finally {
        await Promise.all(pools.map(each => each.end()))
        await bouncer.stop()
      }
    })

    it('keep their lock where idle transactions are ended', async () => {
      await database.sql(`alter database ${database.name} set idle_in_transaction_session_timeout = '1s'`)
      const slow = inStatements(2, 'select pg_sleep(2); create table "{schema}"."{prefix}_after" (id int)')
      const impatient = openPool(database.url)
      expect(await migrate(fromPool(impatient), names, [filled, slow]).finally(() => impatient.end())).toEqual({ version: 2, applied: 2 })
    })

    it('stop when the lock is lost, and are finished later', async () => {
      const losing = inStatements(2, `
        select pg_terminate_backend(pid, 10000) from pg_locks
        where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database());
        create table "{schema}"."{prefix}_after" (id int);
      `)
      await expect(migrate(db(), names, [filled, losing])).rejects.toMatchObject({ code: 'MIGRATION_FAILED', retryable: true, details: { version: 2, statement: 2 } })
      expect(await database.sql('select to_regclass(\'app.n_after\') as made')).toEqual([{ made: null }])
      expect(await migrate(db(), names, [filled, losing])).toEqual({ version: 2, applied: 1 })
    })

    it('say that they need a second connection when the pool has one', async () => {
      const single = openPool(database.url, 1)
      try {
        await expect(migrate(fromPool(single), names, [filled, indexed])).rejects.toMatchObject({
          code: 'MIGRATION_FAILED', message: expect.stringMatching(/poolSize.*2/) as string,
        })
      }
      finally {
        await single.end()
      }
    })
  })

  describe('in batches', () => {
    it('commit each batch, until nothing is left', async () => {
      const rows: number[] = []
      await migrate(db(), names, [filled, rewritten], { onProgress: progress => rows.push(progress.rows) })
      expect(rows).toEqual([0, 0, 500, 1000, 1500, 2000, 2500, 0])
      expect(await changed()).toBe(ROWS)
      expect(await applied()).toMatchObject([{ version: 1, step: null }, { version: 2, step: null }])
    })

    it('go on where they were when their process is killed', async () => {
      await migrate(db(), names, [filled])
      const holder = new pg.Client({ connectionString: database.url })
      await holder.connect()
      await holder.query('begin')
      await holder.query(`select from app.n_big where id = ${2 * BATCH + 1} for update`)
      const runner = startRunner([filled, rewritten])
      await runner.says(`"rows":${2 * BATCH}`)
      await runner.kill()
      await holder.query('rollback')
      await holder.end()
      const before = await changed()
      expect(before).toBeGreaterThanOrEqual(2 * BATCH)
      expect(before).toBeLessThan(ROWS)
      expect(await applied()).toMatchObject([{ version: 1, step: null }, { version: 2, step: 1 }])
      const rows: number[] = []
      expect(await migrate(db(), names, [filled, rewritten], { onProgress: progress => rows.push(progress.rows) })).toEqual({ version: 2, applied: 1 })
      expect(Math.max(...rows)).toBe(ROWS - before)
      expect(await changed()).toBe(ROWS)
    })
  })

  describe('that are newer than the build', () => {
    const old = [table(1)]
    const breaking: Migration = { ...table(3), breaking: true }

    it('let it go on when none of them is breaking', async () => {
      await migrate(db(), names, [table(1), table(2)])
      expect(await migrate(db(), names, old)).toEqual({ version: 2, applied: 0 })
      expect(await requireCurrent(db(), names, old)).toEqual({ version: 2, applied: 0 })
      expect(await plan(db(), names, old)).toEqual({ version: 2, latest: 1, pending: [] })
    })

    it('refuse it when one of them is breaking, until that is taken back', async () => {
      const all = [table(1), table(2), breaking, table(4)]
      await migrate(db(), names, all)
      const refused = { code: 'SCHEMA_TOO_NEW', message: expect.stringMatching(/at version 4.*knows 1.*migration 3 \(step 3\)/) as string, details: { version: 4, expected: 1 } }
      await expect(migrate(db(), names, old)).rejects.toMatchObject(refused)
      await expect(requireCurrent(db(), names, old)).rejects.toMatchObject(refused)
      expect(await requireCurrent(db(), names, all.slice(0, 3))).toEqual({ version: 4, applied: 0 })
      await rollback(db(), names, 2, all)
      expect(await requireCurrent(db(), names, old)).toEqual({ version: 2, applied: 0 })
    })

    it('refuse it while a breaking one is under way', async () => {
      const stuck: Migration = { ...inStatements(2, 'create table "{schema}"."{prefix}_half" (a int); select 1/0'), breaking: true }
      await expect(migrate(db(), names, [table(1), stuck])).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
      await expect(requireCurrent(db(), names, old)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' })
    })

    it('can\'t be taken back by it', async () => {
      await migrate(db(), names, [table(1), table(2)])
      await expect(rollback(db(), names, 0, old)).rejects.toMatchObject({ code: 'SCHEMA_TOO_NEW' })
    })
  })

  it('find their version table without its later columns, and complete it', async () => {
    await migrate(db(), names, [table(1)])
    await database.sql('alter table app.n_schema_version drop column breaking, drop column step')
    expect(await requireCurrent(db(), names, [table(1)])).toEqual({ version: 1, applied: 0 })
    expect(await migrate(db(), names, [table(1), inStatements(2, 'select 1')])).toEqual({ version: 2, applied: 1 })
    expect(await applied()).toEqual([{ version: 1, step: null, breaking: false }, { version: 2, step: null, breaking: false }])
  })

  it('as SQL give another tool the schema that the store makes', async () => {
    const awkward = { schema: 'My "Schema"', prefix: 'it\'s' }
    const migrations = [filled, indexed, { ...table(3), breaking: true }].map(each => ({ ...each, checksum: `it's ${each.version}` }))
    // Statement by statement: what runs outside of a transaction can't share a text with others.
    for (const statement of migrationSql(awkward, 0, 0, migrations).split(/;\n/)) await database.sql(statement)
    expect(await requireCurrent(db(), awkward, migrations)).toEqual({ version: 3, applied: 0 })
    expect(migrationSql(awkward, 3, 0, migrations)).toBe('')
    expect(migrationSql(awkward, 1, 2, migrations)).not.toContain('_a"')
  })
})

describe('kinds of migrations on PGlite', () => {
  it('are all applied, and taken back', async () => {
    const db = await openPglite('pglite://memory')
    onFileEnd(() => db.close())
    const moved = { ...rewritten, version: 3 }
    expect(await migrate(db, names, [filled, indexed, moved])).toEqual({ version: 3, applied: 3 })
    const { rows } = await db.query({ text: 'select count(*)::integer as count from app.n_big where c = a * 2', values: [] })
    expect(rows).toEqual([{ count: ROWS }])
    await rollback(db, names, 0, [filled, indexed, { ...moved, down: 'select 1' }])
    expect((await db.query({ text: 'select relname from pg_class where relname like \'n_%\' and relnamespace = \'app\'::regnamespace', values: [] })).rows).toEqual([])
  })
})
