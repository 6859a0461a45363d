import { describe, expect, it, vi } from 'vitest'
import { createStore } from '../../src/runtime/core/index'

// As if the optional package were not installed.
vi.mock('@electric-sql/pglite', () => {
  throw new Error('Cannot find package \'@electric-sql/pglite\'')
})

const quiet = { info: () => {}, warn: () => {}, error: () => {} }

describe('without the package of the embedded database', () => {
  it.each(['pglite://memory', 'pglite:///tmp/never-made/data'])('%s says what to install', async (connection) => {
    const store = createStore({ connection, logger: quiet })
    const missing = {
      code: 'MISSING_DRIVER', retryable: false, message: expect.stringContaining('npm install @electric-sql/pglite') as string,
    }
    await expect(store.kv.get('a')).rejects.toMatchObject(missing)
    await expect(store.ready()).rejects.toMatchObject(missing)
    await store.close()
    await expect(store.kv.get('a')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})
