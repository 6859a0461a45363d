import {
  BIG, RARE_CITY, TYPES, entryId, event, idAt, kvKey, metadata, orderKey, scoreOf, smallSubject, subjectsOf, timeAt, value,
} from './growth-data.mjs'

// Calls whose time must not depend on the amount of data. `size` is { events, entries, first } of a database, `random`
// gives an integer below its argument, `i` counts calls. Calls that a store does not support are left out.

const PAGE = 50
const MANY = 50
// Concurrent reads of the same page share one statement, so these read different pages.
const FIRST = 100
const middle = size => Math.floor(size.events / 4)
const pageOf = events => events.length === PAGE
const many = random => Array.from({ length: MANY }, random)

/**
 * @typedef {{ label: string, of: 'events' | 'entries', has?: (store: any) => boolean, prepare?: (store: any, size: any) => any,
 *   call: (store: any, size: any, random: (below: number) => number, i: number) => Promise<any>, check?: (result: any) => boolean }} Operation
 */

/** @type {Operation[]} */
const stream = [
  { label: 'append to any subject', of: 'events', call: (store, size, random) => store.stream.append(smallSubject(random(subjectsOf(size.events))), event) },
  { label: 'append to the big subject', of: 'events', call: store => store.stream.append(BIG, event) },
  {
    label: 'appendMany, 50 events', of: 'events', has: store => store.stream.appendMany,
    call: (store, size, random) => store.stream.appendMany(smallSubject(random(subjectsOf(size.events))), Array.from({ length: MANY }, () => event)),
  },
  {
    label: 'read one subject of 50', of: 'events', check: events => events.length >= PAGE,
    call: (store, size, random) => store.stream.read(smallSubject(random(subjectsOf(size.events)))),
  },
  { label: 'newest page', of: 'events', check: pageOf, call: store => store.stream.read(BIG, { order: 'desc', limit: PAGE }) },
  {
    label: 'page in the middle, after an id', of: 'events', check: pageOf,
    call: (store, size) => store.stream.read(BIG, { after: idAt(size.first, middle(size)), limit: PAGE }),
  },
  {
    label: 'page in the middle, before an id', of: 'events', check: pageOf,
    call: (store, size) => store.stream.read(BIG, { before: idAt(size.first, middle(size)), order: 'desc', limit: PAGE }),
  },
  {
    label: 'pages anywhere, after ids', of: 'events', check: pageOf,
    call: (store, size, random) => store.stream.read(BIG, { after: idAt(size.first, random(middle(size))), limit: PAGE }),
  },
  {
    label: 'page after an id of another subject', of: 'events', check: pageOf,
    call: (store, size) => store.stream.read(BIG, { after: String(size.first + 2 * middle(size) + 1), limit: PAGE }),
  },
  {
    label: 'newest of a usual type', of: 'events', check: pageOf,
    call: store => store.stream.read(BIG, { types: [TYPES.usual], order: 'desc', limit: PAGE }),
  },
  {
    label: 'newest of a rare type (1 %)', of: 'events', check: events => events.length >= PAGE - 1,
    call: store => store.stream.read(BIG, { types: [TYPES.rare], order: 'desc', limit: PAGE }),
  },
  {
    label: 'newest of a type only the first have', of: 'events', check: pageOf,
    call: store => store.stream.read(BIG, { types: [TYPES.old], order: 'desc', limit: PAGE }),
  },
  {
    label: 'a span of time with 50 events', of: 'events', check: pageOf,
    call: (store, size) => store.stream.read(BIG, { from: timeAt(middle(size)), to: timeAt(middle(size) + PAGE - 1) }),
  },
  {
    label: 'page from a time on', of: 'events', check: pageOf,
    call: (store, size) => store.stream.read(BIG, { from: timeAt(middle(size)), limit: PAGE }),
  },
  {
    label: 'newest page before a time', of: 'events', check: pageOf,
    call: (store, size) => store.stream.read(BIG, { to: timeAt(middle(size)), order: 'desc', limit: PAGE }),
  },
]

/** @returns {Operation[]} for the key with columns of its own, and for the generic one */
const index = (kind, name, patches, rare, field) => {
  const key = orderKey[kind]
  const any = (size, random) => entryId(random(size.entries))
  return [
    { label: `${name}: add`, call: (store, size, random, i) => store.index.add(key, `new-${i}`, scoreOf(random(size.entries)), metadata[kind](i)) },
    { label: `${name}: get`, call: (store, size, random) => store.index.get(key, any(size, random)), check: entry => entry.score > 0 },
    {
      label: `${name}: getMany, 50 entries`, has: store => store.index.getMany,
      call: (store, size, random) => store.index.getMany(key, many(() => any(size, random))),
    },
    { label: `${name}: update flat`, call: (store, size, random, i) => store.index.update(key, any(size, random), patches.flat(i)), check: Boolean },
    { label: `${name}: update nested`, call: (store, size, random, i) => store.index.update(key, any(size, random), patches.nested(i)), check: Boolean },
    { label: `${name}: increment`, call: (store, size, random) => store.index.increment(key, any(size, random), field) },
    { label: `${name}: read 50`, call: store => store.index.read(key, { limit: PAGE }), check: pageOf },
    { label: `${name}: read 50, anywhere among the first`, call: (store, size, random) => store.index.read(key, { offset: random(FIRST), limit: PAGE }), check: pageOf },
    { label: `${name}: read 50 of a rare kind`, call: store => store.index.read(key, { limit: PAGE, filter: rare }), check: found => found.length > 0 },
    {
      label: `${name}: readPage in the middle`, has: store => store.index.readPage, prepare: (store, size) => cursorInTheMiddle(store, key, size),
      call: (store, { prepared }) => store.index.readPage(key, { cursor: prepared, limit: PAGE }),
    },
    { label: `${name}: count of a rare kind`, has: store => store.index.count, call: store => store.index.count(key, rare), check: count => count > 0 },
    { label: `${name}: count`, has: store => store.index.count, call: store => store.index.count(key), check: count => count > 0 },
  ].map(operation => ({ of: 'entries', ...operation }))
}

/** @type {Operation[]} */
const kv = [
  { label: 'kv.get', call: (store, size, random) => store.kv.get(kvKey(random(size.entries))), check: found => found.roles.length === 2 },
  { label: 'kv.getMany, 50 keys', has: store => store.kv.getMany, call: (store, size, random) => store.kv.getMany(many(() => kvKey(random(size.entries)))) },
  { label: 'kv.set', call: (store, size, random, i) => store.kv.set(kvKey(random(size.entries)), value(i)) },
  { label: 'kv.set, a new key', call: (store, size, random, i) => store.kv.set(`new-${i}`, value(i)) },
  {
    label: 'kv.setMany, 50 keys', has: store => store.kv.setMany,
    call: (store, size, random, i) => store.kv.setMany(many(() => ({ key: kvKey(random(size.entries)), value: value(i) }))),
  },
  { label: 'kv.delete', call: (store, size, random, i) => store.kv.delete(`new-${i}`) },
  { label: 'kv.increment', call: (store, size, random) => store.kv.increment(`count-${random(100)}`) },
].map(operation => ({ of: 'entries', ...operation }))

export const operations = [
  ...stream,
  ...index('flat', 'flow runs', {
    flat: i => ({ status: i % 2 ? 'running' : 'awaiting', lastActivityAt: scoreOf(i) }),
    nested: i => ({ emittedEvents: { [`step${i % 5}`]: { at: scoreOf(i) } } }),
  }, { status: 'cancelled' }, 'completedSteps'),
  ...index('generic', 'generic key', {
    flat: i => ({ status: i % 2 ? 'active' : 'paused' }),
    nested: i => ({ address: { street: `Street ${i % 100}` } }),
  }, { 'address.city': RARE_CITY }, 'orders.total'),
  ...kv,
]

async function cursorInTheMiddle(store, key, { entries }) {
  let cursor
  for (let seen = 0; seen < entries / 2; seen += 1000) {
    cursor = (await store.index.readPage(key, { cursor, limit: 1000 })).cursor
  }
  return cursor
}
