import pg from 'pg'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/index'
import { freshDatabase } from '../setup/database'

type Hook = () => Promise<unknown>

const MEMBERS: Record<string, (hook: Hook) => pg.PoolConfig> = {
  onConnect: hook => ({ onConnect: hook }) as pg.PoolConfig,
  verify: hook => ({ verify: (_: unknown, done: (error?: Error) => void) => void hook().then(() => done(), done) }) as pg.PoolConfig,
  password: hook => ({ password: hook as () => Promise<string> }),
}

describe.each(Object.keys(MEMBERS))('%s of a connection', (member) => {
  it.each(['connection', 'pool'])('may not wait for the end of a store that has started, given in %s', async (option) => {
    const { url, pool } = await freshDatabase('pg18')
    const { hostname, port, pathname } = new URL(url)
    const role = `hooks_${member.toLowerCase()}_${option}`
    await pool.query(`drop role if exists ${role}`)
    await pool.query(`create role ${role} login superuser password 'x'`)
    let store: Store | undefined
    const outcomes: unknown[] = []
    const hook = async () => {
      if (store) outcomes.push(await store.close().catch((error: unknown) => error))
      return 'x'
    }
    const config: pg.PoolConfig = { host: hostname, port: Number(port), database: pathname.slice(1), user: role, password: 'x', ...MEMBERS[member]!(hook) }
    const own = option === 'pool' ? new pg.Pool(config) : undefined
    const opened = createStore({ ...own ? { pool: own } : { connection: config }, notify: false })
    onTestFinished(async () => {
      await opened.close()
      await own?.end()
    })
    await opened.ready()
    store = opened
    await opened.transaction(async () => Promise.all([1, 2].map(() => opened.transaction(tx => tx.query('select 1')))))
    store = undefined
    expect(outcomes.length).toBeGreaterThan(0)
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 'INVALID_CALL' })
  })
})
