import { afterAll, describe, expect, it } from 'vitest'
import { PostgresStoreAdapter } from '../../src/runtime/core/index'
import { freshDatabase } from '../setup/database'
import { expectCode } from './suite/context'

describe('PostgresStoreAdapter', () => {
  const adapters: PostgresStoreAdapter[] = []
  afterAll(() => Promise.all(adapters.map(adapter => adapter.close())))

  async function open(): Promise<PostgresStoreAdapter> {
    const { url } = await freshDatabase('pg18')
    const adapter = new PostgresStoreAdapter({ connection: url, autoMigrate: true })
    adapters.push(adapter)
    return adapter
  }

  it('is the store as a class: init migrates, and may be called again', async () => {
    const adapter = await open()
    await adapter.init()
    await adapter.init()
    await adapter.kv.set('a', 1)
    await adapter.index.add('orders', 'a', 1)
    expect(await adapter.stream.append('orders:1', { type: 'a' })).toMatchObject({ type: 'a' })
    expect(await adapter.kv.get('a')).toBe(1)
  })

  it('needs no init', async () => {
    const adapter = await open()
    expect(await adapter.kv.increment('n')).toBe(1)
  })

  it('close may be called again, and later calls are refused', async () => {
    const adapter = await open()
    await adapter.init()
    await adapter.close()
    await adapter.close()
    await expectCode(() => adapter.kv.get('a'), 'CLOSED')
    await expectCode(() => adapter.init(), 'CLOSED')
  })

  it('refuses wrong options at once', () => {
    expect(() => new PostgresStoreAdapter({ connection: 'pglite://memory', prefix: '' })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})
