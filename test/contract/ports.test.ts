/** The programs of examples/ports, on every kind of database: what docs/migrating-from.md promises to those who come from another store. */
import { describe, expect, it, onTestFinished } from 'vitest'
import * as act from '../../examples/ports/act-pg/counter'
import { createFeedback } from '../../examples/ports/ai-feedback-middleware/feedback'
import { startOutboxScanner } from '../../examples/ports/ai-feedback-middleware/ports'
import type { FeedbackEvent, InferenceRule } from '../../examples/ports/ai-feedback-middleware/ports'
import * as users from '../../examples/ports/codeforbreakfast/users'
import { createBank } from '../../examples/ports/eventfabric/bank'
import { createStore, runMigrations } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { embeddedAndServer } from '../setup/backends'
import { freshDatabase, hasServer, onFileEnd } from '../setup/database'
import { migratedEmbedded } from '../setup/embedded'
import { eventually } from '../setup/eventually'
import { collect } from './suite/context'

describe.each(embeddedAndServer)('the port of ai-feedback-middleware on $name', ({ open, available }) => {
  let ids = 0
  const reaction = (partition: string, more: Partial<FeedbackEvent> = {}): FeedbackEvent =>
    ({ event_id: `e${++ids}`, partition_key: partition, timestamp: '2026-01-02T03:04:05.000Z', action: 'regenerate', producer: 'writer', ...more })
  const rule: InferenceRule = {
    rule_id: 'unhappy', applies_when: { action: 'regenerate', producer: 'writer' }, threshold: 2, window_ms: 600_000,
    result_if_met: 'rejected', active: true, notes: 'by the editors',
  }

  it.runIf(available())('migrates once, and says what it applied', async () => {
    const { store, pool } = await open()
    const { version } = await store.admin.migrate()
    expect(await store.admin.migrate()).toEqual({ version, applied: 0 })
    if (pool) expect(await runMigrations(pool)).toEqual({ version, applied: 0 })
  })

  it.runIf(available())('appends, alone and in batches of several partitions, and reads a partition back', async () => {
    const { store } = await open()
    const { eventStore } = createFeedback(store)
    const [first, second, other] = [reaction('draft-1'), reaction('draft-1', { text: 'too long' }), reaction('draft-2')]
    await eventStore.append(first)
    await eventStore.appendBatch([second, other])
    await eventStore.append(first)
    expect(await collect(eventStore.readStream('draft-1'))).toEqual([first, second])
    expect(await collect(eventStore.readStream('draft-1', 2))).toEqual([second])
    expect(await collect(eventStore.readAll())).toEqual([first, second, other])
    const [{ ts } = { ts: 0 }] = await store.stream.read('feedback:draft-1', { limit: 1 })
    expect(await collect(eventStore.readStreamSince('draft-1', new Date(ts).toISOString()))).toEqual([first, second])
    expect(await collect(eventStore.readStreamSince('draft-1', new Date(ts + 3_600_000).toISOString()))).toEqual([])
  })

  it.runIf(available())('follows what is appended', async () => {
    const { store } = await open()
    const { eventStore } = createFeedback(store)
    const seen: FeedbackEvent[] = []
    const end = await eventStore.subscribeAll(async event => void seen.push(event), '0')
    onTestFinished(end)
    const event = reaction('draft-1')
    await eventStore.append(event)
    await eventually(() => expect(seen).toEqual([event]))
  })

  it.runIf(available())('captures an event with its state and its message, or nothing of it', async () => {
    const { store } = await open()
    const feedback = createFeedback(store)
    const event = reaction('draft-1')
    expect(await feedback.capture(event, ['feedback.captured'])).toEqual({ reactions: 1, inference: 'observe' })
    expect(await feedback.capture(event, ['feedback.captured'])).toBeNull()
    const failing = reaction('draft-1')
    await expect(feedback.capture(failing, [])).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    expect(await feedback.dedupeStore.seen(`capture:${failing.event_id}`)).toBe(false)
    expect(await collect(feedback.eventStore.readStream('draft-1'))).toEqual([event])
    expect(await feedback.projectionStore.get('drafts', 'draft-1')).toEqual({ reactions: 1, inference: 'observe' })
    expect(await feedback.outbox.backlogSize()).toBe(1)
    expect(await feedback.outbox.oldestUnpublishedAgeMs()).toBeTypeOf('number')
    // Side by side they lose nothing.
    await Promise.all(Array.from({ length: 8 }, () => feedback.capture(reaction('draft-1'), ['feedback.captured'])))
    expect(await feedback.projectionStore.get('drafts', 'draft-1')).toMatchObject({ reactions: 9 })
  })

  it.runIf(available())('keeps states by name and key, with a checkpoint, lists and truncates them', async () => {
    const { projectionStore } = createFeedback((await open()).store)
    for (const key of ['a', 'b', 'c']) await projectionStore.put('drafts', key, { key, open: key !== 'b' }, `of ${key}`)
    await projectionStore.put('others', 'a', { key: 'other' }, 'e')
    expect(await projectionStore.list('drafts', { open: true })).toEqual([{ key: 'a', open: true }, { key: 'c', open: true }])
    expect(await projectionStore.list('drafts', {}, 2)).toHaveLength(2)
    expect(await projectionStore.checkpoint('drafts')).toBeNull()
    await projectionStore.setCheckpoint('drafts', 'e3')
    expect(await projectionStore.checkpoint('drafts')).toBe('e3')
    await projectionStore.truncate('drafts')
    expect([await projectionStore.list('drafts'), await projectionStore.checkpoint('drafts')]).toEqual([[], null])
    expect(await projectionStore.get('drafts', 'a')).toBeNull()
    expect(await projectionStore.get('others', 'a')).toEqual({ key: 'other' })
  })

  it.runIf(available())('infers by the first rule that applies, from the threshold in its window on', async () => {
    const { inferenceRules, capture } = createFeedback((await open()).store)
    await inferenceRules.upsert(rule)
    await inferenceRules.upsert({ ...rule, rule_id: 'later', result_if_met: 'never', threshold: 1 })
    await inferenceRules.upsert({ ...rule, rule_id: 'kept', applies_when: { action: 'keep' }, threshold: 5, result_if_met: 'accepted', result_if_unmet: 'weak' })
    await inferenceRules.upsert({ ...rule, rule_id: 'off', active: false })
    expect((await inferenceRules.list()).map(({ rule_id }) => rule_id)).toEqual(['unhappy', 'later', 'kept'])
    expect((await inferenceRules.list())[0]).toEqual(rule)
    const said = []
    for (const more of [{}, { action: 'keep' }, {}, { producer: 'another' }]) said.push((await capture(reaction('draft-1', more), ['t']))?.inference)
    expect(said).toEqual(['observe', 'weak', 'rejected', 'observe'])
    expect(await capture(reaction('draft-2'), ['t'])).toMatchObject({ inference: 'observe' })
    await inferenceRules.remove('unhappy')
    await inferenceRules.remove('unhappy')
    expect(await capture(reaction('draft-2'), ['t'])).toMatchObject({ inference: 'never' })
    await expect(inferenceRules.upsert({ ...rule, applies_when: { task_type_prefix: 'draft:' } })).rejects.toThrow('task_type_prefix')
  })

  it.runIf(available())('publishes each message once with two scanners, again after a failure, and ends', async () => {
    const { store, pool } = await open()
    const stores = [store, pool ? createStore({ pool }) : store]
    if (pool) onTestFinished(() => stores[1]!.close())
    const published: string[] = []
    let failures = 2
    const onPublish = async ({ event_id }: FeedbackEvent, topics: string[]) => {
      if (failures-- > 0) throw new Error('the bus is down')
      for (const topic of topics) published.push(`${topic} ${event_id}`)
    }
    const stops = await Promise.all(stores.slice(0, pool ? 2 : 1).map(store => startOutboxScanner({ store, onPublish, intervalMs: 20 })))
    const { capture, outbox } = createFeedback(store)
    const events = Array.from({ length: 6 }, (_, at) => reaction(`draft-${at % 3}`))
    for (const event of events) await capture(event, ['captured', 'audit'])
    await eventually(() => expect(published).toHaveLength(12))
    await eventually(async () => expect(await outbox.backlogSize()).toBe(0))
    expect(published.toSorted()).toEqual(events.flatMap(({ event_id }) => [`audit ${event_id}`, `captured ${event_id}`]).toSorted())
    for (const stop of stops) await stop()
    expect(await outbox.oldestUnpublishedAgeMs()).toBeNull()
  })
})

describe.each(embeddedAndServer)('the port of eventfabric on $name', ({ open, available }) => {
  async function bankOf(store: Store, more: Partial<Parameters<typeof createBank>[0]> = {}) {
    const mails: string[] = []
    const bank = createBank({ store, sendMail: async customer => void mails.push(customer), ...more })
    const running = new AbortController()
    onTestFinished(() => running.abort())
    return { bank, mails, start: () => bank.start(running.signal), running }
  }

  it.runIf(available())('opens an account and deposits, a session for each request', async () => {
    const { store } = await open()
    const { bank } = await bankOf(store)
    await bank.open('1', 'ann', 100)
    expect(await bank.deposit('1', 50)).toBe(150)
    expect(await bank.accounts.load('1')).toMatchObject({ version: 2, state: { customer: 'ann', balance: 150 } })
    await expect(bank.open('1', 'bob')).rejects.toMatchObject({ code: 'VERSION_CONFLICT', details: { expected: 0, actual: 2 } })
    await expect(bank.deposit('1', -5)).rejects.toMatchObject({ code: 'INVALID_VALUE' })
    expect((await store.stream.read('account:1')).map(({ type, meta }) => [type, meta?.topics])).toEqual([['account.opened', ['account']], ['account.deposited', ['account']]])
  })

  it.runIf(available())('saves several aggregates and a message in one transaction, or nothing', async () => {
    const { store } = await open()
    const { bank } = await bankOf(store)
    await Promise.all([bank.open('1', 'ann', 100), bank.open('2', 'bob')])
    await bank.transfer('t1', '1', '2', 30)
    const balances = async () => Promise.all(['1', '2'].map(async id => (await bank.accounts.load(id)).state.balance))
    expect([await balances(), await store.outbox.stats()]).toMatchObject([[70, 30], { topics: { ledger: 1 } }])
    // The number of the transfer is taken: nothing of the second one is kept.
    await expect(bank.transfer('t1', '1', '2', 30)).rejects.toMatchObject({ code: 'VERSION_CONFLICT', details: { subject: 'transfer:t1' } })
    await expect(bank.transfer('t2', '1', '2', 71)).rejects.toThrow('only 70 cents')
    expect([await balances(), await store.outbox.stats()]).toMatchObject([[70, 30], { topics: { ledger: 1 } }])
  })

  it.runIf(available())('lets two withdrawals at once not take the same money', async () => {
    const { store } = await open()
    const { bank } = await bankOf(store)
    await bank.open('1', 'ann', 100)
    const outcomes = await Promise.allSettled([bank.withdraw('1', 60), bank.withdraw('1', 60)])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect((await bank.accounts.load('1')).state.balance).toBe(40)
  })

  it.runIf(available())('takes a snapshot every 50 events, and loads what all events give', async () => {
    const { store } = await open()
    const { bank } = await bankOf(store)
    await bank.open('1', 'ann')
    for (let n = 1; n < 60; n++) await bank.withdraw('1', 1).catch(() => bank.deposit('1', n))
    const { rows } = await store.transaction(tx => tx.query('select version::int as version from nvent_snapshots where subject = $1', ['account:1']))
    expect(rows).toEqual([{ version: 50 }])
    const { state, version } = await bank.accounts.load('1')
    const sum = (await store.stream.read('account:1')).reduce((sum, { type, data }) => sum + (type === 'account.withdrawn' ? -data.cents : data.cents), 0)
    expect([version, state.balance]).toEqual([60, sum])
  })

  it.runIf(available())('keeps the search table in the transaction of the append', async () => {
    const { store } = await open()
    const { bank, start } = await bankOf(store)
    await bank.open('1', 'ann', 100)
    await start()
    await bank.open('2', 'ann')
    expect(await bank.find('ann')).toEqual([{ account: 'account:1', balance: 100 }, { account: 'account:2', balance: 0 }])
    await bank.transfer('t1', '1', '2', 30)
    expect(await bank.find('ann')).toEqual([{ account: 'account:1', balance: 70 }, { account: 'account:2', balance: 30 }])
    await expect(bank.transfer('t1', '1', '2', 30)).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
    expect(await store.projections.get('account-search', 'account:1')).toEqual({ customer: 'ann', balance: 70 })
    expect(await bank.find('ann')).toMatchObject([{ balance: 70 }, { balance: 30 }])
  })

  it.runIf(available())('sends each mail, of the topics that it asks for', async () => {
    const { store } = await open()
    const { bank, mails, start } = await bankOf(store)
    await start()
    await Promise.all([bank.open('1', 'ann', 100), bank.open('2', 'ann'), bank.open('3', 'bob')])
    await bank.welcome.whenCaughtUp()
    expect(mails.toSorted()).toEqual(['ann', 'ann', 'bob'])
    await store.stream.append('audit:1', { type: 'account.opened', data: { customer: 'nobody' } }, { topics: ['audit'] })
    await bank.welcome.whenCaughtUp()
    expect(mails).toHaveLength(3)
  })

  it.runIf(available())('gives a mail up after its attempts, and sends it when it is requeued', async () => {
    const { store } = await open()
    let isDown = true
    const sent: string[] = []
    const { bank, start } = await bankOf(store, {
      maxAttempts: 1,
      sendMail: async (customer) => {
        if (isDown) throw new Error('mail server is down')
        sent.push(customer)
      },
    })
    await start()
    await bank.open('1', 'ann')
    await eventually(async () => expect((await store.deadLetters.list()).letters).toMatchObject([{ consumer: 'welcome-mail', subject: 'account:1', error: { message: 'mail server is down' } }]))
    isDown = false
    await bank.requeueMails()
    await eventually(() => expect(sent).toEqual(['ann']))
    await eventually(async () => expect((await store.deadLetters.list()).letters).toEqual([]))
  })

  it.runIf(available())('stops when the signal aborts', async () => {
    const { store } = await open()
    const { bank, mails, start, running } = await bankOf(store)
    await start()
    running.abort()
    await eventually(async () => expect([(await bank.welcome.status()).state, (await bank.search.status()).state]).toEqual(['stopped', 'stopped']))
    await bank.open('1', 'ann')
    expect(mails).toEqual([])
  })
})

describe.each(embeddedAndServer)('the port of act-pg on $name', ({ open, available }) => {
  it.runIf(available())('commits what a command results in, with its actor, and refuses a wrong command', async () => {
    const { store } = await open()
    await store.ready()
    const counter = act.createCounter(store)
    const actor = { id: '1', name: 'Ann' }
    expect(await counter.handle('1', { by: 2 }, { meta: { actor, correlationId: 'request-1' } })).toMatchObject({ state: { count: 2 }, version: 1 })
    const { events: [second] } = await counter.handle('1', { by: 3 })
    expect(await counter.load('1')).toMatchObject({ state: { count: 5 }, version: 2 })
    await expect(counter.handle('1', { by: 0.5 })).rejects.toThrow()
    const [first] = await store.stream.read('counter:1')
    expect(first).toMatchObject({ type: 'incremented', data: { amount: 2 }, meta: { actor, correlationId: 'request-1' } })
    const queries = act.queries(store)
    expect((await queries.latest('1', 1)).map(({ id }) => id)).toEqual([second!.id])
    expect(await queries.between('1', '0', second!.id)).toEqual([first])
    expect(await queries.created('1', first!.ts, second!.ts)).toHaveLength(2)
    expect(await collect(queries.correlated('request-1'))).toMatchObject([{ subject: 'counter:1', event: { id: first!.id } }])
  })

  it.runIf(available())('refuses the slower one of two commits with the same expected version', async () => {
    const { store } = await open()
    await act.createCounter(store).handle('1', { by: 1 })
    const commit = () => store.stream.append('counter:1', { type: 'incremented', data: { amount: 1 } }, { expectedVersion: 1 })
    const outcomes = await Promise.allSettled([commit(), commit()])
    expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'VERSION_CONFLICT', details: { expected: 1, actual: 2 } } })
    expect(await act.createCounter(store).load('1')).toMatchObject({ version: 2 })
  })

  it.runIf(available())('gives each stream to one worker at a time, in order, and goes on with the others where one fails', async () => {
    const { store } = await open()
    const counter = act.createCounter(store)
    await act.openReactions(store)
    for (const by of [1, 2]) for (const id of ['a', 'b', 'c']) await counter.handle(id, { by })
    const seen: string[] = []
    let fails = true
    const handle = async ({ subject, data }: { subject: string, data?: { amount: number } }) => {
      if (fails && subject === 'counter:b') throw new Error('poison')
      seen.push(`${subject} ${data!.amount}`)
    }
    const claimed = await Promise.all(['w1', 'w2'].map(worker => act.react(store, worker, handle)))
    expect(claimed[0]! + claimed[1]!).toBe(3)
    expect(seen.toSorted()).toEqual(['counter:a 1', 'counter:a 2', 'counter:c 1', 'counter:c 2'])
    await eventually(async () => {
      await act.react(store, 'w1', handle)
      expect((await store.deadLetters.list({ consumer: 'reactions' })).letters).toMatchObject([{ subject: 'counter:b', attempts: 3, error: { message: 'poison' } }])
    })
    expect(await act.react(store, 'w2', handle)).toBe(0)
    fails = false
    await store.leases.unblock({ consumer: 'reactions', subject: 'counter:b' })
    await eventually(async () => {
      await act.react(store, 'w2', handle)
      expect(seen.slice(4)).toEqual(['counter:b 1', 'counter:b 2'])
    })
  })

  it.runIf(available())('tells subscribers of every commit', async () => {
    const { store } = await open()
    const seen: string[] = []
    const { unsubscribe } = await store.stream.subscribe('counter:*', (event, subject) => void seen.push(`${subject} ${event.type}`))
    onTestFinished(unsubscribe)
    await act.createCounter(store).handle('1', { by: 1 })
    await eventually(() => expect(seen).toEqual(['counter:1 incremented']))
  })
})

describe('the port of act-pg', () => {
  const connections = [
    { name: 'the embedded database', available: () => true, connect: migratedEmbedded },
    { name: 'PostgreSQL 18', available: () => hasServer('pg18'), connect: async () => (await freshDatabase('pg18')).url },
  ]

  it.runIf(hasServer('pg18'))('takes its connection, schema and table names from the environment in production', async () => {
    const { url, sql } = await freshDatabase('pg18')
    const { hostname, port, username, password, pathname } = new URL(url)
    const store = act.storeFrom({
      NODE_ENV: 'production', DB_HOST: hostname, DB_PORT: port, DB_USER: username, DB_PASSWORD: password, DB_NAME: pathname.slice(1),
    })
    onFileEnd(() => store.close())
    expect(await store.ready()).toMatchObject({ schema: 'events', prefix: 'act' })
    await act.createCounter(store).handle('1', { by: 1 })
    expect(await sql('select subject, type from events.act_events')).toEqual([{ subject: 'counter:1', type: 'incremented' }])
  })

  it('needs no server in development', async () => {
    const store = act.storeFrom({ NODE_ENV: 'development' })
    onFileEnd(() => store.close())
    expect(await act.createCounter(store).handle('1', { by: 1 })).toMatchObject({ state: { count: 1 } })
  })

  it.each(connections)('keeps tenants apart by schemas on $name', async ({ available, connect }) => {
    if (!available()) return
    const connection = await connect()
    const [acme, other] = ['acme', 'other'].map((tenant) => {
      const store = act.storeOfTenant(connection, tenant)
      onFileEnd(() => store.close())
      return store
    })
    await act.createCounter(acme!).handle('1', { by: 1 })
    expect(await act.createCounter(other!).load('1')).toMatchObject({ version: 0 })
    expect(await collect(other!.stream.readAll())).toEqual([])
    expect(await act.createCounter(acme!).load('1')).toMatchObject({ version: 1 })
  })
})

describe.each(embeddedAndServer)('the port of codeforbreakfast on $name', ({ open, available }) => {
  const email = (name: string) => `${name}@example.com`

  it.runIf(available())('appends typed events at a position and reads them from there', async () => {
    const { store } = await open()
    const all = users.createUsers(store)
    expect(await all.end('1')).toBe(0)
    await all.register('1', email('ann'))
    await all.updateEmail('1', email('ann'), email('anna'), await all.end('1'))
    expect((await all.read('1')).map(({ type, data }) => [type, data])).toEqual([
      ['user.registered', { email: email('ann') }], ['user.emailUpdated', { from: email('ann'), to: email('anna') }],
    ])
    expect(await all.read('1', 2)).toHaveLength(1)
    await expect(all.updateEmail('1', email('ann'), email('x'), 1)).rejects.toMatchObject({ code: 'VERSION_CONFLICT', details: { expected: 1, actual: 2 } })
    await expect(all.register('1', email('bob'))).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
    await expect(all.register('2', 'no address')).rejects.toMatchObject({ code: 'INVALID_VALUE', details: { path: 'data.email' } })
    expect(await all.end('2')).toBe(0)
  })

  it.runIf(available())('follows a stream from its beginning, and goes on with what comes', async () => {
    const { store } = await open()
    const all = users.createUsers(store)
    await all.register('1', email('ann'))
    const reading = new AbortController()
    const seen: string[] = []
    const end = (async () => {
      for await (const { event } of all.follow('1', reading.signal)) seen.push(event.type)
    })()
    await eventually(() => expect(seen).toEqual(['user.registered']))
    await all.updateEmail('1', email('ann'), email('anna'), 1)
    await eventually(() => expect(seen).toEqual(['user.registered', 'user.emailUpdated']))
    reading.abort()
    await end
  })

  it.runIf(available())('appends to many streams at once, all or none, and reads large ones page by page', async () => {
    const { store } = await open()
    const all = users.createUsers(store)
    const emails = Array.from({ length: 1_200 }, (_, at) => email(`u${at}`))
    expect(await all.importAll([{ id: '1', emails }, { id: '2', emails: emails.slice(0, 3) }])).toBe(1_203)
    expect(await all.importAll([{ id: '2', emails: emails.slice(0, 1) }])).toBe(1)
    expect([await all.count('1'), await all.count('2')]).toEqual([1_200, 4])
    await expect(store.stream.appendAll([
      { subject: 'users:3', events: [{ type: 'user.registered' }] }, { subject: 'users:1', events: [{ type: 'user.registered' }], expectedVersion: 7 },
    ])).rejects.toMatchObject({ code: 'VERSION_CONFLICT' })
    expect(await all.end('3')).toBe(0)
  })

  it.runIf(available())('tracks events in order and without duplicates', async () => {
    const { store } = await open()
    const all = users.createUsers(store)
    const tracker = users.trackUsers(store)
    await all.register('1', email('ann'))
    expect(await tracker.runOnce()).toEqual({ handled: 1, caughtUp: true })
    await all.updateEmail('1', email('ann'), email('anna'), 1)
    expect(await tracker.runOnce()).toEqual({ handled: 1, caughtUp: true })
    expect(await tracker.runOnce()).toEqual({ handled: 0, caughtUp: true })
    expect(await store.kv.get('users:events')).toBe(2)
  })

  it.runIf(available())('projects with a checkpoint that is one with the states', async () => {
    const { store } = await open()
    const all = users.createUsers(store)
    const emails = users.projectEmails(store)
    await all.register('1', email('ann'))
    await emails.runOnce()
    await all.updateEmail('1', email('ann'), email('anna'), 1)
    const { event } = (await collect(store.stream.readAll())).at(-1)!
    await emails.runOnce()
    expect(await store.projections.get('emails', '1')).toEqual({ email: email('anna') })
    expect(await store.projections.checkpoint('emails')).toMatchObject({ serving: { position: event.id, lag: 0 } })
  })

  it.runIf(available())('counts what it writes, tells its health, and tries again only what may go well', async () => {
    const { store } = await open()
    const lines: string[] = []
    const end = users.watchConnection(store, line => lines.push(line))
    await users.createUsers(store).register('1', email('ann'))
    expect(await users.monitor(store)).toEqual({ status: 'ok', timestamp: expect.stringMatching(/^\d{4}-.*Z$/) as string, error: undefined, eventsWritten: 1 })
    const isAway = Object.assign(new Error('away'), { retryable: true })
    let left = 2
    expect(await users.resilient(async () => {
      if (left-- > 0) throw isAway
      return 'there'
    })).toBe('there')
    await expect(users.resilient(() => Promise.reject(isAway))).rejects.toBe(isAway)
    let calls = 0
    await expect(users.resilient(async () => {
      calls++
      throw new Error('for good')
    })).rejects.toThrow('for good')
    expect([calls, lines]).toEqual([1, []])
    end()
  })
})
