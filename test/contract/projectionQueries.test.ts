/** The states of projections by the fields that they declare. */
import { describe, expect, it } from 'vitest'
import type { ConsumedEvent } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer, postgres18 } from '../setup/backends'
import { quick, range, started } from '../setup/projections'

interface Order { status: string, total?: number, paid?: boolean | null }

const orders = {
  ...quick, name: 'orders', subjects: ['orders:*'], fields: ['status', 'paid'], sortBy: 'total',
  handle: (_: unknown, { data }: ConsumedEvent) => data as Order,
}
const set = (store: Store, id: string, data: object | null) => store.stream.append(`orders:${id}`, { type: 'set', data })
const keys = ({ entries }: { entries: { key: string }[] }) => entries.map(({ key }) => key.slice('orders:'.length))

const NINE = range(9).map((at): Order => ({ status: at % 3 === 0 ? 'open' : 'sent', total: at === 8 ? 0 : at, ...at < 4 && { paid: at === 0 ? null : at === 1 } }))

async function nine(store: Store, options = {}) {
  for (const [at, order] of NINE.entries()) await set(store, String(at), order)
  const projection = await started(store.project({ ...orders, ...options }))
  await projection.whenCaughtUp()
  return projection
}

describe.each([...embeddedAndServer, postgres18])('queries of projections on $name', ({ open, openMore, available }) => {
  const fresh = openMore ?? open

  it.runIf(available()).each(['async', 'inline'] as const)('find states by their fields, and count them: %s', async (mode) => {
    const { store } = await fresh()
    const projection = await nine(store, { mode })
    const { query, count } = store.projections
    expect(keys(await query('orders', { filter: { status: 'open' } }))).toEqual(['0', '3', '6'])
    expect((await query<Order>('orders', { filter: { status: 'open', paid: false } })).entries).toMatchObject([{ key: 'orders:3', state: NINE[3] }])
    expect(keys(await query('orders', { filter: { paid: [true, null] } }))).toEqual(['0', '1'])
    expect(keys(await query('orders', { filter: { status: 'none' } }))).toEqual([])
    expect(keys(await query('orders', { filter: { status: [] } }))).toEqual([])
    expect(keys(await query('orders', { filter: { status: undefined } }))).toHaveLength(9)
    expect([await count('orders'), await count('orders', { status: 'sent' }), await count('orders', { status: ['open', 'sent'], paid: true })]).toEqual([9, 6, 1])
    // As the states change, so does what they are found by.
    await set(store, '3', { status: 'sent', total: 30 })
    await projection.whenCaughtUp()
    expect(keys(await query('orders', { filter: { status: 'open' } }))).toEqual(['0', '6'])
    expect(await count('orders', { paid: false })).toBe(1)
    expect(keys(await query('orders', { min: 7 }))).toEqual(['3', '7'])
  })

  it.runIf(available())('sort states by their number, page by page, equal ones by key', async () => {
    const { store } = await fresh()
    await nine(store)
    await set(store, '9', { status: 'open' })
    await store.project(orders).whenCaughtUp()
    const { query } = store.projections
    const asc = ['0', '8', '1', '2', '3', '4', '5', '6', '7']
    const desc = ['7', '6', '5', '4', '3', '2', '1', '0', '8']
    for (const [order, all] of [['asc', asc], ['desc', desc]] as const) {
      expect(keys(await query('orders', { order }))).toEqual(all)
      for (const limit of [1, 2, 4, 9]) {
        const found: string[] = []
        for (let cursor: string | null | undefined; cursor !== null;) {
          const page = await query('orders', { order, limit, cursor })
          found.push(...keys(page))
          cursor = page.cursor
        }
        expect(found, `${order} ${limit}`).toEqual(all)
      }
    }
    expect(keys(await query('orders', { min: 2, max: 5, filter: { status: 'sent' } }))).toEqual(['5', '4', '2'])
    // By key without an order, those without a number too.
    const first = await query('orders', { limit: 6 })
    expect(keys(first)).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(keys(await query('orders', { limit: 6, cursor: first.cursor }))).toEqual(['6', '7', '8', '9'])
    await expect(query('orders', { order: 'asc', cursor: first.cursor })).rejects.toMatchObject({ code: 'INVALID_VALUE', message: expect.stringContaining('options.cursor') })
  })

  it.runIf(available())('find the states that serve: not those of another build, another projection, or what was removed', async () => {
    const { store } = await fresh()
    await nine(store)
    await (await started(store.project({ ...orders, name: 'twin' }))).whenCaughtUp()
    const second = await started(store.project({ ...orders, version: 2, handle: (_: unknown, { data }: ConsumedEvent) => ({ ...data as Order, status: 'v2' }) }))
    await second.whenCaughtUp()
    const { query, count, put } = store.projections
    expect(await count('orders', { status: 'open' })).toBe(0)
    expect(await count('orders', { status: 'v2' })).toBe(9)
    expect(await count('twin', { status: 'open' })).toBe(3)
    await put('orders', 'orders:1', null)
    await put('orders', 'orders:new', { status: 'v2', total: 99 })
    expect(await count('orders', { status: 'v2' })).toBe(9)
    expect(keys(await query('orders', { order: 'desc', limit: 1 }))).toEqual(['new'])
    expect(keys(await query('orders', { filter: { status: 'v2' }, max: 1 }))).toEqual(['0', '8'])
    await store.projections.rebuild('orders')
    await second.whenCaughtUp()
    expect(await count('orders', { status: 'v2' })).toBe(9)
    expect(keys(await query('orders', { min: 90 }))).toEqual([])
  })

  it.runIf(available())('refuse what is not declared, and states that can not be compared', async () => {
    const { store } = await fresh()
    await nine(store)
    await (await started(store.project({ ...orders, name: 'plain', fields: undefined, sortBy: undefined } as never))).whenCaughtUp()
    await (await started(store.project({ ...orders, name: 'unsorted', sortBy: undefined } as never))).whenCaughtUp()
    const { query, count, put } = store.projections
    const refused = (call: Promise<unknown>, code: string, text: string) => expect(call).rejects.toMatchObject({ code, message: expect.stringContaining(text) as string })
    await refused(query('orders', { filter: { total: 1 } }), 'INVALID_VALUE', 'options.filter.total is none of the fields of the projection (paid, status)')
    await refused(count('orders', { '': 1 }), 'INVALID_VALUE', 'filter. is none')
    for (const filter of [null, [], 5, 'status', new Map([['status', 'none']]), new Date(), () => 1]) {
      await refused(query('orders', { filter } as never), 'INVALID_VALUE', 'options.filter must be a plain object')
      await refused(count('orders', filter as never), 'INVALID_VALUE', 'filter must be a plain object')
    }
    for (const text of ['a\0', '\uD800']) await refused(query('orders', { filter: { status: text } }), 'INVALID_VALUE', 'options.filter.status')
    await refused(query('orders', { order: null as never }), 'INVALID_VALUE', 'options.order')
    await refused(query('orders', { filter: { status: {} as never } }), 'INVALID_VALUE', 'options.filter.status')
    await refused(query('orders', { min: Number.NaN }), 'INVALID_VALUE', 'options.min')
    await refused(query('orders', { order: 'up' as never }), 'INVALID_VALUE', 'options.order')
    await refused(query('orders', { limit: -1 }), 'INVALID_VALUE', 'options.limit')
    await refused(query('orders', { sort: 'asc' } as never), 'INVALID_VALUE', 'options.sort')
    await refused(query('unsorted', { max: 1 }), 'INVALID_VALUE', 'sortBy')
    await refused(query('plain'), 'INVALID_CALL', 'has no fields')
    await refused(query('nothing'), 'NOT_FOUND', 'nothing')
    await refused(put('orders', 'orders:1', { status: ['list'] }), 'INVALID_VALUE', 'status of the state of "orders:1"')
    await refused(put('orders', 'orders:1', { total: 'much' }), 'INVALID_VALUE', 'total of the state of "orders:1"')
    await refused(store.project({ ...orders, fields: ['status'] }).start(), 'INVALID_OPTION', 'higher version')
    expect(() => store.project({ ...orders, fields: [5] } as never)).toThrow('options.fields.0')
    // A state that can't be found by its fields is a failure of its event.
    await set(store, '1', { status: 'open', total: 'much' })
    await expect.poll(async () => (await store.deadLetters.list({ consumer: 'projection:orders:1' })).letters.length + Number((await store.projections.checkpoint('orders'))!.serving!.parked)).toBeGreaterThan(0)
    expect(await store.projections.get('orders', 'orders:1')).toMatchObject(NINE[1]!)
  })
})
