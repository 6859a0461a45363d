import { describe, expect, it } from 'vitest'
import { createStore } from '../../src/runtime/core/index'

const store = createStore({ connection: 'postgres://localhost/never' })
const throwing = new Proxy({}, {
  get() {
    throw new TypeError('not for you')
  },
  has() {
    throw new TypeError('nor this')
  },
})

describe('store.with', () => {
  it.each<[what: string, client: unknown]>([
    ['undefined', undefined], ['null', null], ['a number', 5], ['a bigint', BigInt(5)], ['a symbol', Symbol('x')], ['a string', 'client'], ['a function', () => {}], ['an array', []],
    ['an empty object', {}], ['an object without a prototype', Object.create(null)], ['a promise', Promise.resolve({ query: () => {} })],
    ['a proxy that throws', throwing], ['a getter that throws', { get query() { throw new Error('no') } }],
    ['a pool', { totalCount: 1, idleCount: 1, query: () => {} }], ['a closed client', { _ending: true, query: () => {}, getTypeParser: () => {} }],
    ['something of Kysely without a transaction', { isTransaction: false, withoutPlugins: () => ({}) }], ['half of Kysely', { isTransaction: true, withoutPlugins: 5 }],
    ['half of Drizzle', { _: { session: { client: 5 } } }], ['Drizzle on nothing', { _: { session: { client: {} } } }], ['Drizzle on a pool', { _: { session: { client: { totalCount: 1, idleCount: 1 } } } }],
    ['query that is no function', { query: 'select 1' }],
  ])('refuses %s', (_, client) => {
    expect(() => store.with(client as never)).toThrow(expect.objectContaining({ name: 'StoreError', code: 'INVALID_VALUE', message: expect.stringMatching(/^client /) as string }))
  })
})
