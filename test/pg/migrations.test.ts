import type { Pool } from 'pg'
import { beforeEach, describe, expect, it } from 'vitest'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { getCurrentVersion, migrations, rollbackTo, runMigrations } from '../../src/runtime/core/schema/api'
import { migrate, requireCurrent } from '../../src/runtime/core/schema/migrate'
import type { StoreError } from '../../src/runtime/core/shared/errors'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { everything, namesIn } from './catalog'
import { publishedSchema } from './documented'
import { openPool, servers } from './servers'
import { step, table } from './steps'

const LATEST = migrations.length
const names = { schema: 'app', prefix: 'n' }

const broken = step(3, 'create table "{schema}"."{prefix}_half" (id int); insert into "{schema}"."{prefix}_1" values (1); select 1/0')

describe.each(servers)('migrations on $name', ({ server }) => {
  let database: Database
  let pool: Pool

  beforeEach(async () => {
    database = await freshDatabase(server)
    pool = openPool(database.url)
    return () => pool.end()
  })

  const db = () => fromPool(pool)
  const version = () => getCurrentVersion(pool, names.prefix, names.schema)
  const inSchema = () => namesIn(database.sql, names.schema)

  describe('that are run', () => {
    it('are begun again by a store that starts when their connection is lost in the middle', async () => {
      // Sequences count what is rolled back, too.
      await database.sql(`create sequence public.kills;
        create function public.kill() returns event_trigger language plpgsql as $$
          begin if nextval('public.kills') = 3 then perform pg_terminate_backend(pg_backend_pid()); end if; end $$;
        create event trigger kill on ddl_command_start when tag in ('CREATE INDEX') execute function public.kill()`)
      expect(await openStore({ connection: database.url }).ready()).toMatchObject({ schemaVersion: LATEST, applied: LATEST })
      expect(await database.sql('select last_value > 3 as again from public.kills')).toEqual([{ again: true }])
    })

    it('bring an empty database to the newest version, and a second run does nothing', async () => {
      expect(await getCurrentVersion(pool)).toBe(0)
      expect(await runMigrations(pool)).toEqual({ version: LATEST, applied: LATEST })
      expect(await getCurrentVersion(pool)).toBe(LATEST)
      const before = await everything(database.sql)
      expect(await runMigrations(pool)).toEqual({ version: LATEST, applied: 0 })
      expect(await everything(database.sql)).toEqual(before)
      expect((await openStore({ connection: database.url }).ready()).applied).toBe(0)
    })

    it('only look when they are asked for the version', async () => {
      const before = await everything(database.sql)
      expect(await version()).toBe(0)
      expect(await everything(database.sql)).toEqual(before)
    })

    it('come in order, each once, wherever the schema stands', async () => {
      expect(await migrate(db(), names, [table(1)])).toEqual({ version: 1, applied: 1 })
      expect(await migrate(db(), names, [table(1), table(2), table(3)])).toEqual({ version: 3, applied: 2 })
      expect(await database.sql('select version, description from app.n_schema_version order by version'))
        .toEqual([1, 2, 3].map(version => ({ version, description: `step ${version}` })))
      expect(await inSchema()).toEqual(['n_1', 'n_2', 'n_3', 'n_schema_version', 'n_schema_version_pkey'])
    })

    it('leave nothing of one that fails, and keep those before it', async () => {
      await expect(migrate(db(), names, [table(1), table(2), broken, table(4)])).rejects.toMatchObject({
        code: 'MIGRATION_FAILED', message: expect.stringMatching(/migration 3 \(step 3\).*division by zero/) as string, details: { version: 3, sqlState: '22012' },
      })
      expect(await version()).toBe(2)
      expect(await inSchema()).toEqual(['n_1', 'n_2', 'n_schema_version', 'n_schema_version_pkey'])
      expect(await database.sql('select * from app.n_1')).toEqual([])
      expect(await migrate(db(), names, [table(1), table(2), table(3)])).toEqual({ version: 3, applied: 1 })
    })

    it('leave not even a schema when the very first one fails', async () => {
      const before = await everything(database.sql)
      await expect(migrate(db(), names, [step(1, 'create table "{schema}"."{prefix}_half" (id int); select 1/0')])).rejects.toMatchObject({ code: 'MIGRATION_FAILED' })
      expect(await everything(database.sql)).toEqual(before)
    })

    it('fail whole when a table that they did not create is in the way', async () => {
      await database.sql('create table nvent_kv (mine text)')
      await database.sql('insert into nvent_kv values (\'kept\')')
      const before = await everything(database.sql)
      await expect(runMigrations(pool)).rejects.toMatchObject({ code: 'MIGRATION_FAILED', message: expect.stringContaining('"nvent_kv" already exists') as string })
      expect(await everything(database.sql)).toEqual(before)
      expect(await database.sql('select * from nvent_kv')).toEqual([{ mine: 'kept' }])
    })

    it('are applied once when many start at the same time', async () => {
      const results = await Promise.all(Array.from({ length: 8 }, () => migrate(db(), names, [table(1), table(2), table(3)])))
      expect(results.map(({ version }) => version)).toEqual(results.map(() => 3))
      expect(results.reduce((sum, { applied }) => sum + applied, 0)).toBe(3)
    })
  })

  describe('that do not fit', () => {
    it('are refused when one was edited after it was applied', async () => {
      await runMigrations(pool)
      await database.sql('update nvent_schema_version set checksum = \'another\'')
      const before = await everything(database.sql)
      const edited = { code: 'MIGRATION_FAILED', message: expect.stringMatching(/migration 1 \(init\) was edited/) as string }
      await expect(runMigrations(pool)).rejects.toMatchObject(edited)
      await expect(rollbackTo(pool, 'nvent', 0)).rejects.toMatchObject(edited)
      for (const autoMigrate of [true, false]) {
        const store = openStore({ connection: database.url, autoMigrate })
        await expect(store.kv.set('a', 1)).rejects.toMatchObject(edited)
        await store.close()
      }
      expect(await everything(database.sql)).toEqual(before)
    })

    it('are refused when the schema is newer than this build and older builds can\'t work with it', async () => {
      await runMigrations(pool)
      await database.sql('insert into nvent_schema_version (version, description, checksum, breaking) values ($1, \'from the future\', \'x\', true)', [LATEST + 1])
      const before = await everything(database.sql)
      const tooNew = { code: 'SCHEMA_TOO_NEW', details: { version: LATEST + 1, expected: LATEST }, message: expect.stringContaining('update nvent-store-postgres') as string }
      await expect(runMigrations(pool)).rejects.toMatchObject(tooNew)
      await expect(rollbackTo(pool, 'nvent', 0)).rejects.toMatchObject(tooNew)
      for (const autoMigrate of [true, false]) {
        const store = openStore({ connection: database.url, autoMigrate })
        await expect(store.ready()).rejects.toMatchObject(tooNew)
        await store.close()
      }
      expect(await everything(database.sql)).toEqual(before)
      expect(await getCurrentVersion(pool)).toBe(LATEST + 1)
    })

    it('explain calls that fail on what a breaking one took away while the store was open', async () => {
      const store = openStore({ connection: database.url })
      await store.kv.set('a', 1)
      await database.sql('alter table nvent_kv rename column value to content')
      await expect(store.kv.get('a')).rejects.toMatchObject({ code: 'DATABASE', details: { sqlState: '42703' } })
      await database.sql('insert into nvent_schema_version (version, description, checksum, breaking) values ($1, \'from the future\', \'x\', true)', [LATEST + 1])
      const tooNew = { code: 'SCHEMA_TOO_NEW', details: { version: LATEST + 1, expected: LATEST } }
      await expect(store.kv.get('a')).rejects.toMatchObject(tooNew)
      await expect(Promise.all([store.kv.set('a', 1), store.kv.set('b', 2)])).rejects.toMatchObject(tooNew)
      await expect(store.transaction(tx => tx.kv.set('a', 1))).rejects.toMatchObject(tooNew)
      await store.index.add('orders', 'a', 1)
      expect(await store.index.get('orders', 'a')).toEqual({ id: 'a', score: 1 })
      await store.close()
    })

    it('are never run with autoMigrate off: the error has the command, and the store comes up once it was run', async () => {
      const before = await everything(database.sql)
      const store = openStore({ connection: database.url, autoMigrate: false, schema: 'My Schema', prefix: 'it\'s' })
      await expect(store.kv.get('a')).rejects.toMatchObject({
        code: 'SCHEMA_BEHIND',
        message: expect.stringContaining(`npx nvent-store migrate --schema 'My Schema' --prefix 'it'\\''s'`) as string,
        details: { version: 0, expected: LATEST },
      })
      await expect(store.ready()).rejects.toMatchObject({ code: 'SCHEMA_BEHIND' })
      const { details } = await store.ready().catch((error: unknown) => error as StoreError) as StoreError
      expect(details).toEqual({ schema: 'My Schema', prefix: 'it\'s', version: 0, expected: LATEST })
      expect(await everything(database.sql)).toEqual(before)

      await runMigrations(pool, 'it\'s', 'My Schema')
      const migrated = await everything(database.sql)
      await expect.poll(() => store.kv.set('a', 1).then(() => 'up', () => 'down')).toBe('up')
      await store.stream.append('orders:1', { type: 'placed' })
      expect(await everything(database.sql)).toEqual(migrated)
    })

    it('are refused with autoMigrate off when they are behind by one', async () => {
      await migrate(db(), names, [table(1)])
      await expect(requireCurrent(db(), names, [table(1), table(2)])).rejects.toMatchObject({ code: 'SCHEMA_BEHIND', details: { version: 1, expected: 2 } })
      expect(await requireCurrent(db(), names, [table(1)])).toEqual({ version: 1, applied: 0 })
    })

    it('leave a database untouched that the published adapter has not brought to its newest version', async () => {
      await database.sql(publishedSchema('nvent'))
      const contents = async () => [
        await everything(database.sql), await database.sql('select * from nvent_kv'), await database.sql('select * from nvent_flow_events'),
        await database.sql('select * from nvent_schema_version'),
      ]
      const before = await contents()
      const foreign = (code: string, message: RegExp) =>
        ({ code, retryable: false, message: expect.stringMatching(message) as string, details: { foreign: '@nvent-addon/adapter-store-postgres' } })
      const refused = foreign('MIGRATION_FAILED', /adapter-store-postgres.*left untouched.*version 1/)
      for (const [autoMigrate, error] of [[true, refused], [false, foreign('SCHEMA_BEHIND', /not adopted yet/)]] as const) {
        const store = openStore({ connection: database.url, autoMigrate })
        await expect(store.kv.set('a', 1)).rejects.toMatchObject(error)
        await expect(store.stream.append('orders:1', { type: 'x' })).rejects.toMatchObject(error)
        await store.close()
      }
      await expect(runMigrations(pool)).rejects.toMatchObject(refused)
      await expect(rollbackTo(pool, 'nvent', 0)).rejects.toMatchObject({ code: 'SCHEMA_BEHIND' })
      expect(await contents()).toEqual(before)
    })

    it('stand beside the published adapter under another prefix, and leave its helper function to it', async () => {
      await database.sql(publishedSchema('nvent'))
      const before = await namesIn(database.sql, 'public')
      const store = openStore({ connection: database.url, prefix: 'ours' })
      await store.index.add('ours:flows', 'f', 1, { stats: { total: 1, kept: { a: 1 } } })
      await store.index.update('ours:flows', 'f', { stats: { kept: { b: 2 } } })
      expect((await store.index.get('ours:flows', 'f'))?.metadata).toMatchObject({ stats: { total: 1, kept: { a: 1, b: 2 } } })
      const theirs = 'select jsonb_deep_merge(\'{"a":{"x":1}}\', \'{"a":{"y":2}}\') as merged, (select value from nvent_kv) as value'
      expect(await database.sql(theirs)).toEqual([{ merged: { a: { y: 2 } }, value: { kept: true } }])
      await store.close()
      await rollbackTo(pool, 'ours', 0)
      expect(await namesIn(database.sql, 'public')).toEqual(before)
      expect(await database.sql(theirs)).toEqual([{ merged: { a: { y: 2 } }, value: { kept: true } }])
    })
  })
})
