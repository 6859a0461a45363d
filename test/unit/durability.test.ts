import pg from 'pg'
import type { PoolConfig } from 'pg'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { relaxed } from '../../src/runtime/core/db/pg/poolConfig'

/** What `pg` makes of a configuration. */
function startOptions(config: PoolConfig): string | undefined {
  return (new pg.Client(relaxed(config)) as unknown as { connectionParameters: { options?: string } }).connectionParameters.options
}

const RELAXED = '-c synchronous_commit=off'

describe('connections that are relaxed', () => {
  afterEach(() => vi.unstubAllEnvs())

  it.each<[what: string, config: PoolConfig, options: string]>([
    ['a host', { host: 'db.test' }, RELAXED],
    ['options', { host: 'db.test', options: '-c jit=off' }, `-c jit=off ${RELAXED}`],
    ['no URL', { connectionString: null as unknown as string, host: 'db.test' }, RELAXED],
    ['a URL', { connectionString: 'postgres://a:b@db.test/shop?application_name=x' }, RELAXED],
    ['a URL with options', { connectionString: 'postgres://db.test/shop?options=-c%20jit%3Doff&application_name=x' }, `-c jit=off ${RELAXED}`],
    ['a URL with options and others beside it', { connectionString: 'postgres://db.test/shop?sslmode=disable&options=-c%20jit%3Doff', options: '-c a=b' }, `-c jit=off ${RELAXED}`],
  ])('of %s keep what else they are told', (_, config, options) => {
    vi.stubEnv('PGOPTIONS', undefined)
    expect(startOptions(config)).toBe(options)
  })

  it('keep the options of the environment', () => {
    vi.stubEnv('PGOPTIONS', '-c jit=off')
    expect(startOptions({ host: 'db.test' })).toBe(`-c jit=off ${RELAXED}`)
    expect(startOptions({ host: 'db.test', options: '-c a=b' })).toBe(`-c a=b ${RELAXED}`)
  })
})
