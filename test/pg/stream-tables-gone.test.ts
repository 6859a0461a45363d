import { beforeEach, describe, expect, it } from 'vitest'
import type { StoreOptions } from '../../src/runtime/core/options/types'
import type { Store } from '../../src/runtime/core/types'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

/** What an administrator may do with a stream table under running stores: the documented DROP, TRUNCATE and DELETE. */
describe.each(servers)('a stream table under running stores on $name', ({ server }) => {
  let database: Database
  let store: Store
  let other: Store

  const open = (options?: StoreOptions) => openStore({ connection: database.url, ...options })
  const append = async (to: Store, subject: string, ...numbers: number[]) => {
    for (const data of numbers) await to.stream.append(subject, { type: 'counted', data })
  }
  const dataOf = async (from: Store, subject: string) => (await from.stream.read(subject)).map(event => event.data as number)
  const everywhere = (subject: string) => Promise.all([store, other].map(each => dataOf(each, subject)))

  beforeEach(async () => {
    database = await freshDatabase(server)
    ;[store, other] = [open(), open()]
    await append(store, 'orders:1', 1, 2)
    await append(store, 'nq:flow:1', 10)
    await append(store, 'no prefix', 20)
    // Both know the table and have their statements prepared.
    await append(other, 'orders:1', 3)
    expect(await everywhere('orders:1')).toEqual([[1, 2, 3], [1, 2, 3]])
    return () => Promise.all([store.close(), other.close()]).then(() => undefined)
  })

  async function expectOthersWhole(): Promise<void> {
    expect(await everywhere('nq:flow:1')).toEqual([[10], [10]])
    expect(await everywhere('no prefix')).toEqual([[20], [20]])
  }

  it('may be dropped: reads find nothing, appends go on, nothing else is lost', async () => {
    await database.sql('drop table nvent_stream_orders')
    expect(await everywhere('orders:1')).toEqual([[], []])
    await append(store, 'orders:1', 4)
    await append(other, 'orders:1', 5)
    expect(await everywhere('orders:1')).toEqual([[4, 5], [4, 5]])
    await expectOthersWhole()
    expect(await database.sql('select distinct tableoid::regclass::text as table from nvent_events where subject = \'orders:1\'')).toEqual([{ table: 'nvent_stream_orders' }])
  })

  it('may be dropped between two appends, again and again', async () => {
    for (let round = 1; round <= 5; round++) {
      await database.sql('drop table nvent_stream_orders')
      await Promise.all([append(store, 'orders:1', round), append(other, 'orders:2', round), append(store, 'orders:3', round)])
      expect(await Promise.all(['orders:1', 'orders:2', 'orders:3'].map(subject => dataOf(other, subject)))).toEqual([[round], [round], [round]])
    }
    await expectOthersWhole()
  })

  it('may be truncated: its subjects are empty, and appends go on with rising ids', async () => {
    const [last] = await store.stream.read('orders:1', { order: 'desc', limit: 1 })
    await database.sql('truncate nvent_stream_orders')
    expect(await everywhere('orders:1')).toEqual([[], []])
    expect(await store.stream.read('orders:1', { after: last!.id })).toEqual([])
    await append(other, 'orders:1', 4)
    expect(await everywhere('orders:1')).toEqual([[4], [4]])
    expect((await store.stream.read('orders:1', { after: last!.id })).map(event => event.data as number)).toEqual([4])
    await expectOthersWhole()
  })

  it('may lose its older events: positions and order hold', async () => {
    const events = await store.stream.read('orders:1')
    await database.sql('delete from nvent_stream_orders where id <= $1', [events[1]!.id])
    expect(await everywhere('orders:1')).toEqual([[3], [3]])
    expect((await store.stream.read('orders:1', { after: events[0]!.id })).map(event => event.data as number)).toEqual([3])
    expect(await store.stream.read('orders:1', { before: events[1]!.id })).toEqual([])
    await append(store, 'orders:1', 4)
    expect(await everywhere('orders:1')).toEqual([[3, 4], [3, 4]])
  })

  it('may be detached and moved to an archive', async () => {
    await database.sql('alter table nvent_events detach partition nvent_stream_orders')
    await database.sql('alter table nvent_stream_orders rename to archive')
    await append(store, 'orders:1', 4)
    await append(other, 'orders:1', 5)
    expect(await everywhere('orders:1')).toEqual([[4, 5], [4, 5]])
    expect(await database.sql('select count(*)::int as count from archive')).toEqual([{ count: 3 }])
    await expectOthersWhole()
  })

  it('may be detached and left there: no event is written where no read finds it', async () => {
    await database.sql('alter table nvent_events detach partition nvent_stream_orders')
    await append(store, 'orders:1', 4)
    await append(other, 'orders:1', 5)
    expect(await database.sql('select data::int from nvent_events where subject = \'orders:1\' order by version')).toEqual([{ data: 4 }, { data: 5 }])
    expect(await everywhere('orders:1')).toEqual([[4, 5], [4, 5]])
  })

  it('may be dropped while its name goes to the table of another prefix', async () => {
    await append(other, 'nq:orders:1', 30)
    await database.sql('drop table nvent_stream_orders')
    // A third store knows nothing of what was: this one gets the name.
    const third = open()
    await append(third, 'app:orders:1', 40)
    await append(third, 'orders:1', 4)
    expect(await everywhere('orders:1')).toEqual([[4], [4]])
    await append(store, 'orders:1', 5)
    await append(other, 'orders:1', 6)
    expect(await everywhere('orders:1')).toEqual([[4, 5, 6], [4, 5, 6]])
    expect(await everywhere('app:orders:1')).toEqual([[40], [40]])
    expect(await everywhere('nq:orders:1')).toEqual([[30], [30]])
    await expectOthersWhole()
  })

  it('may be dropped under a subscription, which goes on', async () => {
    const seen: number[] = []
    const subscription = await store.stream.subscribe('orders:1', event => void seen.push(event.data as number))
    await append(other, 'orders:1', 4)
    await expect.poll(() => seen).toEqual([4])
    await database.sql('drop table nvent_stream_orders')
    await append(other, 'orders:1', 5, 6)
    await expect.poll(() => seen).toEqual([4, 5, 6])
    await subscription.unsubscribe()
  })
})
