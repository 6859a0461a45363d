import { describe, expect, it } from 'vitest'
import { isStoreError } from '../../../src/runtime/core/index'
import type { Store } from '../../../src/runtime/core/index'
import { HEALTH_OPTIONS } from '../../../src/runtime/core/admin/types'
import { AGGREGATE_OPTIONS, HANDLE_OPTIONS, SNAPSHOT_OPTIONS } from '../../../src/runtime/core/aggregates/types'
import { CONSUMER_RESET_OPTIONS } from '../../../src/runtime/core/consumers/adminTypes'
import { DEAD_LETTER_LIST_OPTIONS, PREVIEW_OPTIONS, PURGE_OPTIONS, REQUEUE_OPTIONS, REQUEUE_RANGE_OPTIONS } from '../../../src/runtime/core/consumers/deadLetterTypes'
import { CAUGHT_UP_OPTIONS, CONSUME_OPTIONS, RUN_ONCE_OPTIONS, STOP_OPTIONS } from '../../../src/runtime/core/consumers/types'
import { ACK_OPTIONS, BLOCK_OPTIONS, CLAIM_OPTIONS, LEASE, NACK_OPTIONS, OPEN_OPTIONS, RENEW_OPTIONS } from '../../../src/runtime/core/leases/types'
import { ONCE_OPTIONS } from '../../../src/runtime/core/dedupe/types'
import { ENQUEUE_OPTIONS } from '../../../src/runtime/core/outbox/types'
import { OUTBOX_STATS_OPTIONS, RELAY_OPTIONS } from '../../../src/runtime/core/relay/types'
import { PROJECT_OPTIONS } from '../../../src/runtime/core/projections/types'
import { PROJECTION_LIST_OPTIONS, PROJECTION_QUERY_OPTIONS } from '../../../src/runtime/core/projections/statesApi'
import { DRY_RUN_OPTIONS, EVENT_RULE } from '../../../src/runtime/core/rules/types'
import { RETENTION_RUN_OPTIONS } from '../../../src/runtime/core/jobs/retention/types'
import { INDEX_PAGE_OPTIONS, INDEX_READ_OPTIONS, INDEX_UPDATE_OPTIONS } from '../../../src/runtime/core/entries/types'
import { APPEND_ENTRY, APPEND_MANY_OPTIONS, APPEND_OPTIONS } from '../../../src/runtime/core/stream/append/types'
import { ITERATE_OPTIONS, REASON, STREAM_LIST_OPTIONS, STREAM_READ_OPTIONS } from '../../../src/runtime/core/stream/types'
import { READ_ALL_OPTIONS, SUBSCRIBE_OPTIONS } from '../../../src/runtime/core/log/types'
import { KV_ENTRY, KV_LIST_OPTIONS } from '../../../src/runtime/core/kv/types'
import { TRANSACTION_OPTIONS } from '../../../src/runtime/core/transaction/types'
import { TYPED_STREAM_OPTIONS, VERSIONED_SCHEMA } from '../../../src/runtime/core/typed/types'
import { collect, expectRefused, failureOf, unique, wrong } from './context'
import type { Use } from './context'

/** An object that a call takes: its members, and the call with it. `right` is what the call needs of it. */
interface Taken {
  argument: string
  known: Readonly<Record<string, true>>
  right?: object
  run(store: Store, given: never): unknown
}

const event = { type: 'odd' }
const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) } }
const options = (known: Taken['known'], run: Taken['run']): Taken[] => [{ argument: 'options', known, run }]
const ended = { signal: AbortSignal.abort() }
const typed = (store: Store) => store.stream.of({ odd: schema })
const ignore = () => {}
const orNotFound = (error: unknown) => isStoreError(error) && error.code === 'NOT_FOUND' ? null : Promise.reject(error as Error)
const orLost = (error: unknown) => isStoreError(error) && error.code === 'LEASE_LOST' ? null : Promise.reject(error as Error)
/** A lease that is none any more. */
const lease = { consumer: 'known-none', subject: 'known:1', token: '1' }
const onLease = (known: Taken['known'], right: object, run: (store: Store, lease: never, given: never) => Promise<unknown>): Taken[] => [
  { argument: 'options', known, right, run: (store, given) => run(store, wrong(lease), given).catch(orLost) },
  { argument: 'lease', known: LEASE, right: lease, run: (store, given) => run(store, given, wrong(right)).catch(orLost) },
]
const consumer = (store: Store) => store.consume({ name: 'known', handler: ignore })
const counted = { name: 'known', initial: 0, evolve: (count: number) => count + 1 }
const aggregate = (store: Store) => store.aggregate(counted)
const projection = (store: Store) => store.project({ name: 'known', handle: () => undefined })

/** Every public call, with the objects whose members the store knows. */
const calls: Record<string, Taken[]> = {
  'stream.append': options(APPEND_OPTIONS, (store, given) => store.stream.append('known:1', event, given)),
  'stream.appendMany': options(APPEND_MANY_OPTIONS, (store, given) => store.stream.appendMany('known:1', [event], given)),
  'stream.appendAll': [{ argument: 'entries.0', known: APPEND_ENTRY, right: { subject: 'known:1', events: [event] }, run: (store, entry) => store.stream.appendAll([entry]) }],
  'stream.read': options(STREAM_READ_OPTIONS, (store, given) => store.stream.read('known:1', given)),
  'stream.iterate': options(ITERATE_OPTIONS, (store, given) => collect(store.stream.iterate('known:1', given))),
  'stream.current': [],
  'stream.list': options(STREAM_LIST_OPTIONS, (store, given) => store.stream.list(given)),
  'stream.subscribe': [
    ...options(SUBSCRIBE_OPTIONS, (store, given) => store.stream.subscribe('known:1', ignore, given)),
    {
      argument: 'options', known: SUBSCRIBE_OPTIONS, right: ended,
      // What can't be told from a callback that was forgotten is a call that rejects.
      run: async (store, given) => collect(await wrong(store.stream.subscribe('known:1', given))),
    },
  ],
  'stream.readAll': options(READ_ALL_OPTIONS, (store, given) => collect(store.stream.readAll(given))),
  'stream.delete': [],
  'stream.archive': [],
  'stream.unarchive': [],
  'stream.truncateBefore': [],
  'stream.dismiss': [{ argument: 'reason', known: REASON, right: { reason: 'odd', by: 'me' }, run: (store, reason) => store.stream.dismiss('1', reason) }],
  'stream.restore': [],
  'stream.dismissed': [],
  'stream.of': [
    ...options(TYPED_STREAM_OPTIONS, (store, given) => store.stream.of({ odd: schema }, given)),
    { argument: 'codec["odd"]', known: VERSIONED_SCHEMA, right: { version: 1, schema }, run: (store, given) => store.stream.of({ odd: given }) },
  ],
  'typed.append': options(APPEND_OPTIONS, (store, given) => typed(store).append('known:1', wrong(event), given)),
  'typed.appendMany': options(APPEND_MANY_OPTIONS, (store, given) => typed(store).appendMany('known:1', [wrong(event)], given)),
  'typed.read': [
    ...options(STREAM_READ_OPTIONS, (store, given) => typed(store).read('known:1', given)),
    ...options(STREAM_READ_OPTIONS, (store, given) => store.stream.of({ odd: schema }, { unknown: 'skip' }).read('known:1', given)),
  ],
  'typed.iterate': options(ITERATE_OPTIONS, (store, given) => collect(typed(store).iterate('known:1', given))),
  'typed.subscribe': options(SUBSCRIBE_OPTIONS, (store, given) => typed(store).subscribe('known:1', ignore, given)),
  'index.add': [],
  'index.get': [],
  'index.read': options(INDEX_READ_OPTIONS, (store, given) => store.index.read('known', given)),
  'index.getMany': [],
  'index.readPage': options(INDEX_PAGE_OPTIONS, (store, given) => store.index.readPage('known', given)),
  'index.count': [],
  'index.update': options(INDEX_UPDATE_OPTIONS, (store, given) => store.index.update('known', 'none', {}, given)),
  'index.updateWithRetry': [],
  'index.increment': [],
  'index.delete': [],
  'index.remove': [],
  'kv.get': [],
  'kv.set': [],
  'kv.getMany': [],
  'kv.setMany': [{ argument: 'entries.0', known: KV_ENTRY, right: { key: 'known', value: 1 }, run: (store, entry) => store.kv.setMany([entry]) }],
  'kv.list': options(KV_LIST_OPTIONS, (store, given) => store.kv.list(given)),
  'kv.delete': [],
  'kv.clear': [],
  'kv.increment': [],
  'rules.upsert': [{ argument: 'rule', known: EVENT_RULE, right: { id: 'known', threshold: 1, windowMs: 1, result: 1 }, run: (store, rule) => store.rules.upsert(rule) }],
  'rules.list': [],
  'rules.get': [],
  'rules.remove': [],
  'rules.evaluate': [],
  'rules.dryRun': options(DRY_RUN_OPTIONS, (store, given) => store.rules.dryRun({ subject: 'known', type: 'odd' }, given)),
  'dedupe.claim': [],
  'dedupe.seen': [],
  'dedupe.mark': [],
  'dedupe.release': [],
  'dedupe.once': options(ONCE_OPTIONS, (store, given) => store.dedupe.once('known', 1, async () => 1, given)),
  'admin.migrate': [],
  'admin.version': [],
  'admin.plan': [],
  'admin.drift': [],
  'admin.rollbackTo': [],
  'admin.streamTables': [],
  'admin.dropStreamTable': [],
  'admin.retention.run': options(RETENTION_RUN_OPTIONS, (store, given) => store.admin.retention.run(given)),
  'admin.health': options(HEALTH_OPTIONS, (store, given) => store.admin.health(given)),
  'admin.metrics': [],
  'admin.on': [],
  'admin.consumers.list': [],
  'admin.consumers.get': [],
  'admin.consumers.remove': [],
  'admin.consumers.reset': [{ argument: 'options', known: CONSUMER_RESET_OPTIONS, right: { to: 'start' }, run: (store, given) => store.admin.consumers.reset('known', given) }],
  'consume': [{ argument: 'options', known: CONSUME_OPTIONS, right: { name: 'known', handler: ignore }, run: (store, given) => store.consume(given) }],
  'consumer.start': [],
  'consumer.stop': options(STOP_OPTIONS, (store, given) => consumer(store).stop(given)),
  'consumer.pause': [],
  'consumer.resume': [],
  'consumer.runOnce': options(RUN_ONCE_OPTIONS, (store, given) => consumer(store).runOnce(given)),
  'consumer.whenCaughtUp': options(CAUGHT_UP_OPTIONS, (store, given) => consumer(store).whenCaughtUp(given)),
  'consumer.whenProcessed': options(CAUGHT_UP_OPTIONS, (store, given) => consumer(store).whenProcessed('1', given)),
  'consumer.status': [],
  'deadLetters.list': options(DEAD_LETTER_LIST_OPTIONS, (store, given) => store.deadLetters.list(given)),
  'deadLetters.get': [],
  'deadLetters.requeue': options(REQUEUE_OPTIONS, (store, given) => store.deadLetters.requeue('1', given)),
  'deadLetters.requeueSubject': [],
  'deadLetters.requeueRange': options(REQUEUE_RANGE_OPTIONS, (store, given) => store.deadLetters.requeueRange(given)),
  'deadLetters.discard': [],
  'deadLetters.purge': options(PURGE_OPTIONS, (store, given) => store.deadLetters.purge(given)),
  'deadLetters.preview': options(PREVIEW_OPTIONS, (store, given) => store.deadLetters.preview('1', given).catch(orNotFound)),
  'leases.open': [{ argument: 'options', known: OPEN_OPTIONS, right: { consumer: 'known-pull' }, run: (store, given) => store.leases.open(given) }],
  'leases.claim': [{ argument: 'options', known: CLAIM_OPTIONS, right: { consumer: 'known-none', by: 'me' }, run: (store, given) => store.leases.claim(given).catch(orNotFound) }],
  'leases.renew': onLease(RENEW_OPTIONS, {}, (store, lease, given) => store.leases.renew(lease, given)),
  'leases.ack': onLease(ACK_OPTIONS, {}, (store, lease, given) => store.leases.ack(lease, given)),
  'leases.nack': onLease(NACK_OPTIONS, {}, (store, lease, given) => store.leases.nack(lease, given).catch(orNotFound)),
  'leases.block': [
    { argument: 'options', known: BLOCK_OPTIONS, right: { reason: 'odd' }, run: (store, given) => store.leases.block(lease, given).catch(orNotFound) },
    { argument: 'subject', known: LEASE, right: lease, run: (store, given) => store.leases.block(given, { reason: 'odd' }).catch(orNotFound) },
  ],
  'leases.unblock': [{ argument: 'subject', known: LEASE, right: lease, run: (store, given) => store.leases.unblock(given).catch(orNotFound) }],
  'outbox.enqueue': [{ argument: 'options', known: ENQUEUE_OPTIONS, right: { topics: ['known'] }, run: (store, given) => store.outbox.enqueue(1, given) }],
  'outbox.relay': [{ argument: 'options', known: RELAY_OPTIONS, right: { publish: ignore }, run: (store, given) => store.outbox.relay(given) }],
  'outbox.stats': options(OUTBOX_STATS_OPTIONS, (store, given) => store.outbox.stats(given)),
  'project': [{ argument: 'options', known: PROJECT_OPTIONS, right: { name: 'known', handle: ignore }, run: (store, given) => store.project(given) }],
  'projection.start': [],
  'projection.stop': options(STOP_OPTIONS, (store, given) => projection(store).stop(given)),
  'projection.runOnce': options(RUN_ONCE_OPTIONS, (store, given) => projection(store).runOnce(given)),
  'projection.whenCaughtUp': options(CAUGHT_UP_OPTIONS, (store, given) => projection(store).whenCaughtUp(given)),
  'projection.status': [],
  'projections.get': [],
  'projections.getMany': [],
  'projections.list': options(PROJECTION_LIST_OPTIONS, (store, given) => store.projections.list('known', given)),
  'projections.all': options({ glob: true }, (store, given) => collect(store.projections.all('known', given))),
  'projections.query': options(PROJECTION_QUERY_OPTIONS, async (store, given) => {
    await store.project({ name: 'found', fields: ['status'], handle: ignore }).runOnce()
    return store.projections.query('found', given)
  }),
  'projections.count': [],
  'projections.put': [],
  'projections.checkpoint': [],
  'projections.rebuild': [],
  'projections.truncate': [],
  'projections.serve': [],
  'projections.remove': [],
  'aggregate': [
    { argument: 'options', known: AGGREGATE_OPTIONS, right: counted, run: (store, given) => store.aggregate(given) },
    { argument: 'options.snapshot', known: SNAPSHOT_OPTIONS, right: { every: 1 }, run: (store, given) => store.aggregate({ ...counted, snapshot: given }) },
  ],
  'aggregate.load': [],
  'aggregate.handle': options(HANDLE_OPTIONS, (store, given) => aggregate(store).handle('1', () => undefined, given)),
  'aggregate.with': [],
  'aggregate.compact': [],
  'session': [],
  'session.load': [],
  'session.start': [],
  'session.save': [],
  'ready': [],
  'transaction': options(TRANSACTION_OPTIONS, (store, given) => store.transaction(async () => {}, given)),
  'with': [],
  'releaseIdle': [],
  'close': [],
}

const taken = Object.entries(calls).flatMap(([call, objects]) => objects.map(each => ({ call, ...each })))

/** The names of all functions in an object and the objects in it. */
function functionsOf(object: object, path = ''): string[] {
  return Object.entries(object).flatMap(([name, value]) => {
    if (typeof value === 'function') return [`${path}${name}`]
    return typeof value === 'object' && value !== null ? functionsOf(value as object, `${path}${name}.`) : []
  })
}

/** Objects whose members the store knows: a name that none of them has is refused, whatever the object is made of. */
export function knownMembersSuite(use: Use): void {
  const refuse = (each: Taken, given: unknown, argument: string) =>
    expectRefused(async () => each.run(use().store, wrong(given)), argument)

  it('every public call says which objects it takes', () => {
    const { store } = use()
    const all = [...functionsOf(store), ...functionsOf(typed(store), 'typed.'), ...functionsOf(consumer(store), 'consumer.'), ...functionsOf(projection(store), 'projection.'),
      ...functionsOf(aggregate(store), 'aggregate.'), ...functionsOf(store.session(), 'session.')]
    expect(all.filter(name => !(name in calls))).toStrictEqual([])
    expect(Object.keys(calls).filter(name => !all.includes(name))).toStrictEqual([])
  })

  it('what is wrong is not appended: a mistyped `expectedVersion` is no append without a check', async () => {
    const { store } = use()
    const subject = `known:${unique()}`
    const error = await failureOf(() => store.stream.append(subject, event, wrong({ expectVersion: 5 })))
    expect(error).toMatchObject({
      code: 'INVALID_VALUE',
      message: 'options.expectVersion is not known: did you mean expectedVersion?',
      details: { argument: 'options.expectVersion', nearest: 'expectedVersion' },
    })
    expect(await store.stream.read(subject)).toStrictEqual([])
  })

  describe('a call that takes no options', () => {
    const without: Record<string, unknown[]> = {
      'stream.appendAll': [[{ subject: 'none:1', events: [event] }]],
      'stream.current': ['none:1'],
      'stream.delete': ['none:1'],
      'stream.archive': ['none:1'],
      'stream.unarchive': ['none:1'],
      'stream.truncateBefore': ['none:1', 1],
      'stream.dismiss': ['1', { reason: 'odd' }],
      'stream.restore': ['1'],
      'stream.dismissed': ['none:1'],
      'index.add': ['none', 'a', 1, {}],
      'index.get': ['none', 'a'],
      'index.getMany': ['none', ['a']],
      'index.count': ['none', {}],
      'index.updateWithRetry': ['none', 'a', {}, 1],
      'index.increment': ['none', 'a', 'n', 1],
      'index.delete': ['none', 'a'],
      'index.remove': ['none', 'a'],
      'kv.get': ['none'],
      'kv.set': ['none', 1, 60],
      'kv.getMany': [['none']],
      'kv.setMany': [[{ key: 'none', value: 1 }]],
      'kv.delete': ['none'],
      'kv.clear': ['none'],
      'kv.increment': ['none', 1],
      'rules.upsert': [{ id: 'none', threshold: 1, windowMs: 1, result: 1 }],
      'rules.list': [],
      'rules.get': ['none'],
      'rules.remove': ['none'],
      'rules.evaluate': [{ subject: 'none', type: 'none' }],
      'dedupe.claim': ['none', 60],
      'dedupe.seen': ['none'],
      'dedupe.mark': ['none', 60],
      'dedupe.release': ['none'],
    }
    type Calls = Record<string, Record<string, (...args: unknown[]) => Promise<unknown>>>
    const make = (store: object, call: string, ...extra: unknown[]) => {
      const [tier, name] = call.split('.') as [string, string]
      return (store as Calls)[tier]![name]!(...without[call]!, ...extra)
    }

    it('is one of these', () => {
      const plain = Object.entries(calls).filter(([call, objects]) => /^(?:stream|index|kv|dedupe|rules)\./.test(call) && !objects.some(({ argument }) => argument === 'options'))
      expect(Object.keys(without).sort()).toStrictEqual(plain.map(([call]) => call).sort())
    })

    it.each(Object.keys(without))('refuses them, and does nothing: %s', async (call) => {
      const { store } = use()
      await expectRefused(() => make(store, call, { expectedVersion: 7 }), 'options')
      await expect(store.transaction(tx => make(tx, call, {}))).rejects.toMatchObject({ code: 'INVALID_VALUE' })
      expect([await store.stream.current('none:1'), await store.kv.get('none'), await store.index.get('none', 'a'), await store.dedupe.seen('none')]).toStrictEqual([null, null, null, false])
    })

    it('may be given to map', async () => {
      const { store } = use()
      expect(await Promise.all(['none a', 'none b'].map(store.kv.get))).toStrictEqual([null, null])
    })
  })

  describe.each(taken)('$call: $argument', (each) => {
    const { argument, known, right } = each

    it.each(Object.keys(known))('refuses %s with a letter too few or too many, and names it', async (name) => {
      for (const typo of [name.slice(0, -1), `${name}s`, `${name[0]}${name}`]) {
        if (Object.hasOwn(known, typo)) continue
        const error = await failureOf(async () => each.run(use().store, wrong({ ...right, [typo]: 1 })))
        expect(error).toMatchObject({ code: 'INVALID_VALUE', details: { argument: `${argument}.${typo}` } })
        expect(Object.keys(known)).toContain(error.details.nearest)
      }
    })

    it('refuses a name that is like none, and says which there are', async () => {
      for (const name of ['constructor', 'toString', 'hasOwnProperty', '__proto__', 'quux', '', 'a b', '\u0000']) {
        const given = Object.defineProperty({ ...right }, name, { value: 1, enumerable: true })
        const error = await failureOf(async () => each.run(use().store, wrong(given)))
        expect(error).toMatchObject({ code: 'INVALID_VALUE', details: { argument: `${argument}.${name}` } })
        expect(error.message).toContain(Object.keys(known)[0])
      }
    })

    it('takes its own members only: of no class, no prototype, no symbol', async () => {
      const last = argument.split('.').at(-1)!.replace(/\W+$/, '').split(/\W+/).at(-1)!
      await refuse(each, Object.assign(Object.create({}) as object, right), last)
      await refuse(each, Object.create({ quux: 1 }), last)
      await refuse(each, { ...right, [Symbol('quux')]: 1 }, last)
    })

    it('says which member can\'t be read, and that an object can\'t', async () => {
      const boom = () => {
        throw new TypeError('boom')
      }
      for (const name of Object.keys(known)) {
        const given = Object.defineProperty({ ...right }, name, { get: boom, enumerable: true })
        const error = await failureOf(async () => each.run(use().store, wrong(given)))
        expect(error).toMatchObject({ code: 'INVALID_VALUE', details: { argument: `${argument}.${name}` } })
        expect(error.message).toContain('boom')
      }
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      for (const odd of [proxy, new Proxy({}, { ownKeys: boom }), new Proxy({}, { getPrototypeOf: boom }), new Proxy({ ...right }, { get: boom })]) {
        expect(await failureOf(async () => each.run(use().store, wrong(odd)))).toMatchObject({ code: 'INVALID_VALUE' })
      }
    })

    it('takes members that are undefined for none', async () => {
      const given = Object.assign(Object.create(null) as object, right, { quux: undefined })
      const result: unknown = await each.run(use().store, wrong(given))
      if (typeof result === 'object' && result !== null && 'unsubscribe' in result) await (result.unsubscribe as () => unknown)()
    })
  })
}
