import type { Store } from '../../../src/runtime/core/index'
import { collect } from './context'

/** A call with one argument left open, and values of a type it does not take. */
export interface OddArgument {
  call: string
  argument: string
  values: unknown[]
  run(store: Store, value: never): Promise<unknown>
}

const boxed = Object('text') as unknown
const notObjects: unknown[] = [null, 'text', 5, true, 1n, Symbol('s'), () => 1, [], [1], ['a', 'b'], new Date(), new Map(), new Set(['a']), /a/, boxed, new Error('e'), Promise.resolve()]
const notOptions = notObjects.filter(value => value !== null)
const notNumbers: unknown[] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, '1', '', null, true, 1n, Symbol('s'), () => 1, {}, [], [1], new Date(), Object(1)]
const notCounts: unknown[] = [...notNumbers.filter(value => value !== null), -1, 0.5, 2 ** 53]
const notArrays: unknown[] = [null, 'text', 5, {}, new Set(['a']), new Map()]
const notFunctions: unknown[] = [undefined, null, 'text', 5, {}, [], Symbol('s')]

/** What can't be looked at, or has no end; made for each call. */
export const unreadable: (() => unknown)[] = [
  () => {
    const cycle: Record<string, unknown> = {}
    return Object.assign(cycle, { self: cycle })
  },
  () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  () => {
    const { proxy, revoke } = Proxy.revocable([], {})
    revoke()
    return proxy
  },
  () => new Proxy({}, { get: fail, getPrototypeOf: fail, ownKeys: fail, has: fail, getOwnPropertyDescriptor: fail }),
  () => new Proxy([1], { get: fail, getPrototypeOf: fail, ownKeys: fail, has: fail, getOwnPropertyDescriptor: fail }),
  () => Object.defineProperty({ type: 'a' }, Symbol.toStringTag, { get: fail }),
  () => Object.defineProperty({ type: 'a' }, 'toJSON', { get: fail, enumerable: true }),
  () => Object.defineProperty({ type: 'a' }, 'data', { get: fail, enumerable: true }),
  () => Array(3),
  () => Object.create(AbortSignal.prototype),
]

function fail(): never {
  throw new TypeError('boom')
}

const ignore = () => {}

export const oddArguments: OddArgument[] = [
  { call: 'stream.append', argument: 'event', values: [undefined, ...notObjects], run: (store, event) => store.stream.append('odd:1', event) },
  { call: 'stream.read', argument: 'options', values: notOptions, run: (store, options) => store.stream.read('odd:1', options) },
  { call: 'stream.read', argument: 'limit', values: notCounts, run: (store, limit) => store.stream.read('odd:1', { limit }) },
  { call: 'stream.read', argument: 'from', values: notNumbers, run: (store, from) => store.stream.read('odd:1', { from }) },
  { call: 'stream.read', argument: 'to', values: notNumbers, run: (store, to) => store.stream.read('odd:1', { to }) },
  {
    call: 'stream.read',
    argument: 'after',
    values: [null, '', ' ', 'abc', '1.5', '1; select 1', '\0', '\uD800', 'NaN', '1e3', '0x1', '١', 0.5, Number.NaN, 1n, Symbol('s'), {}, [], ['1']],
    run: (store, after) => store.stream.read('odd:1', { after }),
  },
  { call: 'stream.read', argument: 'before', values: ['', 'abc', '1)', {}, Number.POSITIVE_INFINITY], run: (store, before) => store.stream.read('odd:1', { before }) },
  { call: 'stream.read', argument: 'order', values: ['up', 'DESC', 'desc; select 1', '', null, 1, {}, ['desc']], run: (store, order) => store.stream.read('odd:1', { order }) },
  { call: 'stream.read', argument: 'types', values: ['a', 5, true, {}, new Set(['a']), null], run: (store, types) => store.stream.read('odd:1', { types }) },
  { call: 'stream.read', argument: 'types.0', values: [5, null, undefined, {}, ['a'], Symbol('s'), 'a\0', '\uD800'], run: (store, type) => store.stream.read('odd:1', { types: [type] }) },
  { call: 'stream.read', argument: 'fromVersion', values: notCounts, run: (store, fromVersion) => store.stream.read('odd:1', { fromVersion }) },
  { call: 'stream.read', argument: 'toVersion', values: notCounts, run: (store, toVersion) => store.stream.read('odd:1', { toVersion }) },
  { call: 'stream.read', argument: 'archived', values: [null, 0, 1, 'true', {}, []], run: (store, archived) => store.stream.read('odd:1', { archived }) },
  { call: 'stream.append', argument: 'options', values: notOptions, run: (store, options) => store.stream.append('odd:1', { type: 'a' }, options) },
  {
    call: 'stream.append',
    argument: 'expectedVersion',
    values: [null, 'none', '1', '', -1, 0.5, 2 ** 53, Number.NaN, true, {}, [], Symbol('s'), () => 1],
    run: (store, expectedVersion) => store.stream.append('odd:1', { type: 'a' }, { expectedVersion }),
  },
  { call: 'stream.append', argument: 'eventId', values: [null, '', 5, {}, 'a\0', '\uD800', 'x'.repeat(513)], run: (store, eventId) => store.stream.append('odd:1', { type: 'a' }, { eventId }) },
  { call: 'stream.append', argument: 'meta', values: notObjects, run: (store, meta) => store.stream.append('odd:1', { type: 'a' }, { meta }) },
  { call: 'stream.append', argument: 'correlationId', values: [null, '', 5, {}], run: (store, correlationId) => store.stream.append('odd:1', { type: 'a' }, { meta: { correlationId } }) },
  { call: 'stream.appendMany', argument: 'eventIds', values: ['a', 5, {}, [], ['a', 'b']], run: (store, eventIds) => store.stream.appendMany('odd:1', [{ type: 'a' }], { eventIds }) },
  { call: 'stream.appendAll', argument: 'entries', values: [undefined, null, 'a', {}, new Map()], run: (store, entries) => store.stream.appendAll(entries) },
  { call: 'stream.appendAll', argument: 'entries.0', values: notObjects, run: (store, entry) => store.stream.appendAll([entry]) },
  { call: 'stream.appendAll', argument: 'entries.0.events', values: [undefined, null, 'a', {}], run: (store, events) => store.stream.appendAll([{ subject: 'odd:1', events }]) },
  { call: 'stream.iterate', argument: 'pageSize', values: [...notCounts, 0], run: (store, pageSize) => collect(store.stream.iterate('odd:1', { pageSize })) },
  { call: 'stream.list', argument: 'options', values: notOptions, run: (store, options) => store.stream.list(options) },
  { call: 'stream.list', argument: 'limit', values: notCounts, run: (store, limit) => store.stream.list({ limit }) },
  { call: 'stream.list', argument: 'glob', values: ['', null, 5, {}, ['a'], 'a\0', '\uD800', 'x'.repeat(1025)], run: (store, glob) => store.stream.list({ glob }) },
  { call: 'stream.list', argument: 'cursor', values: ['', 'abc', 'WyJhIl0x', 'W10', 5, {}], run: (store, cursor) => store.stream.list({ cursor }) },
  { call: 'stream.truncateBefore', argument: 'version', values: [undefined, ...notCounts], run: (store, version) => store.stream.truncateBefore('odd:1', version) },
  { call: 'stream.dismiss', argument: 'id', values: [undefined, null, '', 'abc', {}], run: (store, id) => store.stream.dismiss(id, { reason: 'odd', by: 'me' }) },
  { call: 'stream.dismiss', argument: 'reason', values: [undefined, ...notObjects, {}, { by: 'me' }], run: (store, reason) => store.stream.dismiss('1', reason) },
  { call: 'stream.restore', argument: 'id', values: [undefined, null, '', 'abc', {}], run: (store, id) => store.stream.restore(id) },
  // A plain object in its place is taken for the options.
  { call: 'stream.subscribe', argument: 'onEvent', values: notFunctions.filter(value => Object.prototype.toString.call(value) !== '[object Object]'), run: (store, onEvent) => store.stream.subscribe('odd:1', onEvent) },
  { call: 'stream.subscribe', argument: 'onEvent', values: [{}, { from: 'start' }], run: (store, onEvent) => (store.stream.subscribe as (...given: unknown[]) => Promise<unknown>)('odd:1', onEvent, () => {}) },
  { call: 'stream.subscribe', argument: 'options', values: notOptions, run: (store, options) => store.stream.subscribe('odd:1', ignore, options) },
  { call: 'stream.subscribe', argument: 'onError', values: ['text', 5, {}], run: (store, onError) => store.stream.subscribe('odd:1', ignore, { onError }) },
  { call: 'index.add', argument: 'score', values: [undefined, ...notNumbers], run: (store, score) => store.index.add('odd', 'sentinel', score, { a: 2 }) },
  { call: 'index.add', argument: 'metadata', values: notObjects, run: (store, metadata) => store.index.add('odd', 'sentinel', 2, metadata) },
  { call: 'index.update', argument: 'patch', values: [undefined, ...notObjects], run: (store, patch) => store.index.update('odd', 'sentinel', patch) },
  { call: 'index.update', argument: 'options', values: notOptions, run: (store, options) => store.index.update('odd', 'sentinel', { a: 2 }, options) },
  {
    call: 'index.update',
    argument: 'expectedVersion',
    values: notCounts,
    run: (store, expectedVersion) => store.index.update('odd', 'sentinel', { a: 2 }, { expectedVersion }),
  },
  { call: 'index.updateWithRetry', argument: 'patch', values: [undefined, ...notObjects], run: (store, patch) => store.index.updateWithRetry('odd', 'sentinel', patch, 0) },
  { call: 'index.updateWithRetry', argument: 'maxRetries', values: notCounts, run: (store, retries) => store.index.updateWithRetry('odd', 'sentinel', { a: 2 }, retries) },
  { call: 'index.increment', argument: 'by', values: notNumbers, run: (store, by) => store.index.increment('odd', 'sentinel', 'a', by) },
  { call: 'index.increment', argument: 'field', values: ['version', 'text', 'text.a', 'list', 'list.0', 'nil'], run: (store, field) => store.index.increment('odd', 'sentinel', field) },
  { call: 'index.read', argument: 'options', values: notOptions, run: (store, options) => store.index.read('odd', options) },
  { call: 'index.read', argument: 'limit', values: notCounts, run: (store, limit) => store.index.read('odd', { limit }) },
  { call: 'index.read', argument: 'offset', values: notCounts, run: (store, offset) => store.index.read('odd', { offset }) },
  { call: 'index.read', argument: 'filter', values: notOptions, run: (store, filter) => store.index.read('odd', { filter }) },
  {
    call: 'index.read',
    argument: 'some.field',
    values: [Number.NaN, Number.POSITIVE_INFINITY, 1n, {}, { a: 1 }, [[1]], [{}], [undefined], new Date(), Symbol('s'), () => 1, 'a\0', '\uDC00', ['a\0'], boxed],
    run: (store, value) => store.index.read('odd', { filter: { 'some.field': value } }),
  },
  { call: 'kv.set', argument: 'value', values: [Symbol('s'), () => 1, 1n, Number.NaN, 'a\0', '\uD800'], run: (store, value) => store.kv.set('odd', value) },
  { call: 'kv.set', argument: 'ttlSeconds', values: [...notNumbers.filter(value => value !== null), -1, 1e12], run: (store, ttl) => store.kv.set('odd', 2, ttl) },
  { call: 'kv.increment', argument: 'by', values: notNumbers, run: (store, by) => store.kv.increment('odd', by) },
  { call: 'kv.increment', argument: 'key', values: ['odd text', 'odd object'], run: (store, key) => store.kv.increment(key) },
  { call: 'kv.getMany', argument: 'keys', values: [undefined, ...notArrays], run: (store, keys) => store.kv.getMany(keys) },
  { call: 'kv.list', argument: 'options', values: notOptions, run: (store, options) => store.kv.list(options) },
  { call: 'kv.list', argument: 'limit', values: notCounts, run: (store, limit) => store.kv.list({ limit }) },
  { call: 'kv.list', argument: 'glob', values: ['', null, 5, {}, ['a'], 'a\0', '\uD800', 'x'.repeat(1025)], run: (store, glob) => store.kv.list({ glob }) },
  { call: 'kv.list', argument: 'cursor', values: ['', 'abc', 'WyJhIl0x', 'W10', 5, {}], run: (store, cursor) => store.kv.list({ cursor }) },
  { call: 'kv.setMany', argument: 'entries', values: [undefined, ...notArrays], run: (store, entries) => store.kv.setMany(entries) },
  { call: 'kv.setMany', argument: 'entries.0', values: notObjects, run: (store, entry) => store.kv.setMany([entry]) },
  { call: 'dedupe.claim', argument: 'ttlMs', values: [undefined, null, 0, ...notCounts], run: (store, ttl) => store.dedupe.claim('odd', ttl) },
  { call: 'dedupe.mark', argument: 'ttlMs', values: [undefined, null, 0, ...notCounts], run: (store, ttl) => store.dedupe.mark('odd', ttl) },
  { call: 'dedupe.once', argument: 'ttlMs', values: [undefined, null, 0, ...notCounts], run: (store, ttl) => store.dedupe.once('odd', ttl, async () => 1) },
  { call: 'dedupe.once', argument: 'work', values: notFunctions, run: (store, work) => store.dedupe.once('odd', 1, work) },
  { call: 'dedupe.once', argument: 'options', values: notOptions, run: (store, options) => store.dedupe.once('odd', 1, async () => 1, options) },
  { call: 'dedupe.once', argument: 'options.waitMs', values: notCounts, run: (store, waitMs) => store.dedupe.once('odd', 1, async () => 1, { waitMs }) },
  { call: 'dedupe.once', argument: 'options.idleMs', values: [0, ...notCounts], run: (store, idleMs) => store.dedupe.once('odd', 1, async () => 1, { idleMs }) },
  { call: 'rules.upsert', argument: 'rule', values: [undefined, ...notObjects], run: (store, rule) => store.rules.upsert(rule) },
  { call: 'rules.upsert', argument: 'rule.when', values: notObjects.filter(value => !(value instanceof Promise)), run: (store, when) => store.rules.upsert({ id: 'odd', when, threshold: 1, windowMs: 1, result: 1 }) },
  { call: 'rules.upsert', argument: 'rule.when.type', values: [null, 5, '', {}, [], Symbol('s'), 'a\0', '\uD800'], run: (store, type) => store.rules.upsert({ id: 'odd', when: { type }, threshold: 1, windowMs: 1, result: 1 }) },
  { call: 'rules.upsert', argument: 'rule.threshold', values: [undefined, null, 0, ...notCounts], run: (store, threshold) => store.rules.upsert({ id: 'odd', threshold, windowMs: 1, result: 1 }) },
  { call: 'rules.upsert', argument: 'rule.windowMs', values: [undefined, null, 0, ...notCounts], run: (store, windowMs) => store.rules.upsert({ id: 'odd', threshold: 1, windowMs, result: 1 }) },
  { call: 'rules.upsert', argument: 'rule.result', values: [undefined, Symbol('s'), () => 1, 1n, Number.NaN, 'a\0', '\uD800'], run: (store, result) => store.rules.upsert({ id: 'odd', threshold: 1, windowMs: 1, result }) },
  { call: 'rules.upsert', argument: 'rule.otherwise', values: [Symbol('s'), () => 1, 1n, Number.NaN, 'a\0', '\uD800'], run: (store, otherwise) => store.rules.upsert({ id: 'odd', threshold: 1, windowMs: 1, result: 1, otherwise }) },
  { call: 'rules.evaluate', argument: 'event', values: [undefined, ...notObjects.filter(value => !(value instanceof Promise))], run: (store, event) => store.rules.evaluate(event) },
  { call: 'rules.evaluate', argument: 'event.ts', values: notCounts, run: (store, ts) => store.rules.evaluate({ subject: 'odd', type: 'odd', ts }) },
  { call: 'rules.evaluate', argument: 'event.id', values: [null, '', 'x', '1.5', 0.5, {}, []], run: (store, id) => store.rules.evaluate({ subject: 'odd', type: 'odd', id }) },
  { call: 'rules.dryRun', argument: 'options', values: notOptions, run: (store, options) => store.rules.dryRun({ subject: 'odd', type: 'odd' }, options) },
  { call: 'rules.dryRun', argument: 'options.rules', values: notArrays, run: (store, rules) => store.rules.dryRun({ subject: 'odd', type: 'odd' }, { rules }) },
  { call: 'index.getMany', argument: 'ids', values: [undefined, ...notArrays], run: (store, ids) => store.index.getMany('odd', ids) },
  { call: 'index.count', argument: 'filter', values: notOptions, run: (store, filter) => store.index.count('odd', filter) },
  { call: 'index.readPage', argument: 'order', values: ['up', null, {}, 1n], run: (store, order) => store.index.readPage('odd', { order }) },
  { call: 'index.readPage', argument: 'cursor', values: ['abc', 5, {}], run: (store, cursor) => store.index.readPage('odd', { cursor }) },
  { call: 'stream.appendMany', argument: 'events', values: [undefined, ...notArrays], run: (store, events) => store.stream.appendMany('odd:1', events) },
  { call: 'stream.subscribe', argument: 'signal', values: [null, 'text', 5, {}, []], run: (store, signal) => store.stream.subscribe('odd:1', ignore, { signal }) },
  { call: 'stream.subscribe', argument: 'from', values: [null, '', 'abc', {}, 1n], run: (store, from) => store.stream.subscribe('odd:1', ignore, { from }) },
  { call: 'stream.readAll', argument: 'after', values: [null, 'abc', {}, 1n], run: (store, after) => collect(store.stream.readAll({ after })) },
  { call: 'stream.readAll', argument: 'subjects', values: ['a', 5, {}, new Set(['a'])], run: (store, subjects) => collect(store.stream.readAll({ subjects })) },
  { call: 'stream.of', argument: 'codec', values: [undefined, ...notObjects], run: async (store, codec) => store.stream.of(codec) },
  { call: 'stream.of', argument: 'unknown', values: [null, 'no', 1n, {}], run: async (store, unknown) => store.stream.of({}, { unknown }) },
  { call: 'admin.health', argument: 'options', values: notOptions, run: (store, options) => store.admin.health(options) },
  { call: 'admin.on', argument: 'event', values: [undefined, null, 'slower', 5, {}, 1n, Symbol('s')], run: async (store, event) => store.admin.on(event, ignore) },
  { call: 'admin.on', argument: 'listener', values: notFunctions, run: async (store, listener) => store.admin.on('slow', listener) },
  { call: 'admin.rollbackTo', argument: 'version', values: [undefined, null, ...notCounts], run: (store, version) => store.admin.rollbackTo(version) },
  { call: 'admin.dropStreamTable', argument: 'subjectPrefix', values: [undefined, null, '', 5, {}, 'a\0'], run: (store, prefix) => store.admin.dropStreamTable(prefix) },
  { call: 'transaction', argument: 'isolation', values: [null, 'none', 1n, {}], run: (store, isolation) => store.transaction(async () => {}, { isolation }) },
  { call: 'transaction', argument: 'retries', values: notCounts, run: (store, retries) => store.transaction(async () => {}, { retries }) },
  { call: 'transaction', argument: 'work', values: notFunctions, run: (store, work) => store.transaction(work) },
  { call: 'tx.query', argument: 'text', values: [undefined, null, 5, {}, [], '', 'select 1 \0'], run: (store, text) => store.transaction(tx => tx.query(text)) },
  { call: 'tx.query', argument: 'values', values: ['text', 5, {}, true], run: (store, values) => store.transaction(tx => tx.query('select 1', values)) },
]

/** What the rules leave open: refused by name, or taken as not given. */
export const lenientArguments: OddArgument[] = [
  { call: 'stream.read', argument: 'options', values: [null], run: (store, options) => store.stream.read('odd:1', options) },
  { call: 'stream.read', argument: 'limit', values: [null], run: (store, limit) => store.stream.read('odd:1', { limit }) },
  { call: 'index.read', argument: 'options', values: [null], run: (store, options) => store.index.read('odd', options) },
  { call: 'index.read', argument: 'limit', values: [null], run: (store, limit) => store.index.read('odd', { limit }) },
  { call: 'index.read', argument: 'filter', values: [null], run: (store, filter) => store.index.read('odd', { filter }) },
]
