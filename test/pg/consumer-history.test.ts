/** A consumer that is added to a long log. A million: CONSUMER_EVENTS=1000000 npx vitest run --project pg test/pg/consumer-history.test.ts */
import { describe, expect, it } from 'vitest'
import type { ConsumeOptions } from '../../src/runtime/core/index'
import { started } from '../setup/consumers'
import { freshDatabase, openStore } from '../setup/database'
import { eventually } from '../setup/eventually'
import { servers } from './servers'

const EVENTS = Number(process.env.CONSUMER_EVENTS ?? 50_000)
const SUBJECTS = 500
const AT_ONCE = 500
const TIMEOUT = 60_000 + EVENTS

describe.each(servers)('a consumer from the start of a long log on $name', ({ server }) => {
  it('handles each event once and in order, while others come and processes go', { timeout: TIMEOUT }, async () => {
    const { url } = await freshDatabase(server)
    const store = openStore({ connection: url })
    let appended = 0
    const append = async (subject: number) => {
      const numbers = Array.from({ length: AT_ONCE }, () => appended++)
      await store.stream.appendMany(`orders:${subject}`, numbers.map(n => ({ type: n % 10 === 0 ? 'order.paid' : 'order.seen', data: { n } })))
    }
    while (appended < EVENTS) await Promise.all(Array.from({ length: 20 }, () => append(Math.floor(appended / AT_ONCE) % SUBJECTS)))

    const options: ConsumeOptions = {
      name: 'added', types: ['order.paid'], batchSize: 200, leaseMs: 5_000, async batchHandler(events, { tx }) {
        const newest = new Map(events.map(({ subject, data }) => [subject, data.n as number]))
        for (const [subject, n] of newest) {
          const { rows: [row] } = await tx.query<{ n: number }>('insert into seen values ($1::text, $2::bigint, $3::int) on conflict (subject) do update set n = excluded.n, times = seen.times + excluded.times where seen.n < excluded.n returning n', [subject, n, events.filter(event => event.subject === subject).length])
          if (!row) throw new Error(`${subject} goes back to ${n}`)
        }
      },
    }
    await store.transaction(tx => tx.query('create table seen (subject text primary key, n bigint, times int)'))
    const others = [openStore({ connection: url }), openStore({ connection: url })]
    const leaving = await started(others[0]!, options)
    await started(others[1]!, options)
    await eventually(async () => expect((await leaving.status()).position).not.toBe('0'))
    await leaving.stop({ drainMs: 0 })
    const consumer = await started(store, options)
    for (let subject = 0; subject < 10; subject++) await append(subject)
    await consumer.whenCaughtUp({ timeout: TIMEOUT })
    expect(await consumer.status()).toMatchObject({ parked: 0, lag: 0 })
    const { rows: [sum] } = await store.transaction(tx => tx.query<{ times: number }>('select sum(times)::int as times from seen'))
    expect(sum!.times).toBe(appended / 10)
  })
})
