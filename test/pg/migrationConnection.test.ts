import { expect, it, vi } from 'vitest'
import { lockKey } from '../../src/runtime/core/shared/advisoryLock'
import { freshDatabase, onFileEnd, openStore } from '../setup/database'
import { eventually } from '../setup/eventually'

it('a connection for migrations that breaks while it waits for another migration is reported, and the start goes on', async () => {
  const { url, sql, pool } = await freshDatabase('pg18')
  const other = await pool.connect()
  onFileEnd(async () => other.release())
  await other.query('begin')
  await other.query('select pg_advisory_xact_lock($1::bigint)', [lockKey('migrate', 'public')])

  const store = openStore({ connection: url, migrationConnection: `${url}?application_name=migrating` })
  const lost = vi.fn()
  store.admin.on('connection:lost', lost)
  const ready = store.ready()
  await eventually(async () => {
    await sql('select pg_terminate_backend(pid) from pg_stat_activity where application_name = \'migrating\' and state = \'idle\'')
    expect(lost).toHaveBeenCalledWith({ error: expect.objectContaining({ code: 'CONNECTION' }) as Error })
  })
  await other.query('rollback')
  expect((await ready).applied).toBeGreaterThan(0)
})
