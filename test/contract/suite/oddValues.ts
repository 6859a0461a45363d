import { describe, expect, it } from 'vitest'
import { isStoreError } from '../../../src/runtime/core/index'
import type { StoreError } from '../../../src/runtime/core/index'
import { expectSame, idsOf, indexKinds, metadataOf, streamKinds, unique } from './context'
import type { Row, Use } from './context'
import { megabyte, objectOf, oddTexts } from './oddTexts'

const everyText = [...oddTexts, '', 'a.b', '.', 'a..b', megabyte]
const fieldNames = ['runId', 'flowName', 'stepName', 'stepId', 'attempt', 'triggerName', 'data', 'other']
const nested = objectOf([...oddTexts, '', 'a.b', '.', 'a..b'].map((text, at) => [text, { at, [text]: [text] }]))
const nest = (depth: number, leaf: unknown) => {
  let value = leaf
  for (let level = 0; level < depth; level++) value = level % 2 ? [value] : { a: value }
  return value
}

/** Values that are odd but right: they come back as they were. */
export function oddValuesSuite(use: Use): void {
  describe.each(streamKinds)('in events ($kind)', ({ subjectOf }) => {
    it.each(fieldNames)('any text fits the field %s', async (name) => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      for (const text of everyText) await stream.append(subject, { type: 'odd', [name]: text })
      expect((await stream.read(subject)).map(event => event[name])).toStrictEqual(everyText)
      await stream.delete(subject)
    })

    it('any text is the name of a field, and of a member of one', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const names = everyText.filter(name => !['id', 'ts', 'type'].includes(name))
      const event = objectOf([...names.map((name, at): [string, unknown] => [name, at]), ['type', 'odd'], ['nested', nested]])
      const { id, ts } = await stream.append(subject, event as { type: string })
      const [stored] = await stream.read(subject)
      expectSame(sorted(stored), sorted(objectOf([...Object.entries(event), ['id', id], ['ts', ts]])))
    })

    it('a megabyte in every field at once is kept', async () => {
      const { store: { stream }, P } = use()
      const subject = subjectOf(P)
      const event = { type: 'odd', ...Object.fromEntries(fieldNames.map(name => [name, `${name}${megabyte}`])) }
      const record = await stream.append(subject, event)
      expect(record).toMatchObject(event)
      expect(await stream.read(subject)).toStrictEqual([record])
      expect(await stream.delete(subject)).toBe(true)
    })
  })

  describe('in events', () => {
    it('types may be many, and unknown', async () => {
      const { stream } = use().store
      const subject = unique()
      const record = await stream.append(subject, { type: `it's` })
      const types = [...Array.from({ length: 10_000 }, (_, at) => `type ${at}`), ...oddTexts, `it's`]
      expect(await stream.read(subject, { types })).toStrictEqual([record])
      expect(await stream.read(subject, { limit: Number.MAX_SAFE_INTEGER })).toStrictEqual([record])
    })
  })

  describe.each(indexKinds)('in metadata ($kind)', ({ keyOf, table }) => {
    it.each(['status', 'displayName', 'startedAt', 'stepCount', 'enabled', 'other', 'stats.total', 'config.a'])('any text fits %s, added or updated, and can be filtered', async (path) => {
      const { store, store: { index }, P } = use()
      const [key, id] = [keyOf(P), unique()]
      const at = (metadata: Row | undefined) => path.split('.').reduce<unknown>((value, name) => (value as Row)[name], metadata)
      for (const text of everyText) {
        await index.add(key, id, 1, { [path]: text })
        expect(at(await metadataOf(store, key, id))).toBe(text)
        expect(idsOf(await index.read(key, { filter: { [path]: text } }))).toStrictEqual([id])
        expect(await index.read(key, { filter: { [path]: [`${text}?`] } })).toStrictEqual([])
        await index.update(key, id, { [path]: [0] })
        await index.update(key, id, { [path]: text })
        expect(at(await metadataOf(store, key, id))).toBe(text)
      }
      await index.delete(key, id)
    })

    it('any text without a dot is the name of a member, in add, update, increment and filter', async () => {
      const { store, store: { index }, P } = use()
      const key = keyOf(P)
      const taken = await columnsOf(table)
      for (const name of everyText.filter(name => name !== '' && (!name.includes('.') || /^\.|\.\.|\.$/.test(name)))) {
        const id = unique()
        await index.add(key, id, 1, objectOf([[name, 1]]))
        expect(Object.entries((await metadataOf(store, key, id))!)).toStrictEqual([[name, 1]])
        await index.update(key, id, objectOf([[name, 'text']]))
        expect(idsOf(await index.read(key, { filter: objectOf([[name, 'text']]) as Record<string, string> }))).toStrictEqual([id])
        await index.update(key, id, objectOf([[name, { [name]: null }]]))
        await index.update(key, id, objectOf([[name, null]]))
        expect(await metadataOf(store, key, id)).toStrictEqual({})
        if (Buffer.byteLength(name) <= 1024 && !taken.has(name)) {
          expect(await index.increment(key, id, name, 2)).toBe(2)
          expect(Object.entries((await metadataOf(store, key, id))!)).toStrictEqual([[name, 2]])
        }
        await index.delete(key, id)
      }
    })

    it('any text is a segment of a dotted name', async () => {
      const { store, store: { index }, P } = use()
      const key = keyOf(P)
      for (const name of oddTexts) {
        const id = unique()
        await index.add(key, id, 1, { [`outer.${name}`]: 1 })
        expect(await index.increment(key, id, `outer.${name}`)).toBe(2)
        expect(await index.increment(key, id, `${name}x.${name}`)).toBe(1)
        const { outer, [`${name}x`]: other } = (await metadataOf(store, key, id))!
        expect([Object.entries(outer as Row), Object.entries(other as Row)]).toStrictEqual([[[name, 2]], [[name, 1]]])
        expect(idsOf(await index.read(key, { filter: { [`outer.${name}`]: 2, [`${name}x.${name}`]: [0, 1] } }))).toStrictEqual([id])
        await index.delete(key, id)
      }
    })

    it('nested values keep every name literally', async () => {
      const { store, P } = use()
      const [key, id] = [keyOf(P), unique()]
      for (const name of ['other', 'config', 'emittedEvents', 'metadata', 'stats', 'status']) {
        await store.index.add(key, id, 1, { [name]: nested })
        expectSame(sorted((await metadataOf(store, key, id))![name]), sorted(nested))
        await store.index.add(key, id, 1, {})
        await store.index.update(key, id, { [name]: nested })
        expectSame(sorted((await metadataOf(store, key, id))![name]), sorted(nested))
      }
      await store.index.delete(key, id)
    })

    it('filters may have many fields and many values, and read far', async () => {
      const { store: { index }, P } = use()
      const [key, id] = [keyOf(P), unique()]
      await index.add(key, id, 1, { status: 'a', other: 'a' })
      const many = [...Array.from({ length: 1000 }, (_, at) => `value ${at}`), ...oddTexts, null, 5, true, 'a']
      expect(idsOf(await index.read(key, { filter: { status: many, other: many } }))).toStrictEqual([id])
      expect(await index.read(key, { filter: objectOf(oddTexts.map(text => [text, 1])) as Record<string, number> })).toStrictEqual([])
      expect(await index.read(key, { offset: Number.MAX_SAFE_INTEGER, limit: Number.MAX_SAFE_INTEGER })).toStrictEqual([])
      await index.delete(key, id)
    })
  })

  describe('in keys', () => {
    it('any text is a value, a member and the name of one', async () => {
      const { kv } = use().store
      const key = unique()
      for (const value of [...everyText, everyText]) {
        await kv.set(key, value)
        expect(await kv.get(key)).toStrictEqual(value)
      }
      await kv.set(key, nested)
      expectSame(sorted(await kv.get(key)), sorted(nested))
    })

    it.each([[100], [600], [3000], [100_000]])('a value %s levels deep comes back, or is refused by name', async (depth) => {
      const { kv, stream, index } = use().store
      const key = unique()
      const value = nest(depth, 'leaf')
      for (const [argument, write, read] of [
        ['value', () => kv.set(key, value), () => kv.get(key)],
        ['event.data', () => stream.append(key, { type: 'odd', data: value }), async () => (await stream.read(key))[0]?.data as unknown],
        ['metadata.deep', () => index.add(key, 'a', 1, { deep: value }), async () => (await index.get(key, 'a'))?.metadata?.deep as unknown],
      ] as [string, () => Promise<unknown>, () => Promise<unknown>][]) {
        const outcome = await write().then(() => 'kept', (error: unknown) => isStoreError(error) ? error : Promise.reject(error))
        if (outcome === 'kept') expect(leafOf(await read(), depth)).toBe('leaf')
        else expect([(outcome as StoreError).code, (outcome as StoreError).message]).toStrictEqual(['INVALID_VALUE', expect.stringContaining(argument)])
      }
    })

    it('a value with a hundred thousand members comes back', async () => {
      const { kv } = use().store
      const key = unique()
      const value = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`member ${at}`, at]))
      await kv.set(key, value)
      expect(await kv.get(key)).toStrictEqual(value)
      await kv.delete(key)
    })
  })

  describe('the prototype of all objects', () => {
    it('stays as it is, whatever is written, read, merged, filtered or counted', async () => {
      const { index, kv, stream } = use().store
      const key = unique()
      const evil = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":2}}}') as Row
      await kv.set(key, evil)
      await kv.get(key)
      await stream.append(key, { type: 'odd', ...evil, data: evil })
      await stream.read(key)
      for (const metadata of [evil, { '__proto__.polluted': 3, 'constructor.prototype.polluted': 4 }]) {
        await index.add(key, 'a', 1, metadata)
        await index.update(key, 'a', metadata)
        await index.get(key, 'a')
        await index.read(key, { filter: { '__proto__.polluted': 1 } })
        await index.increment(key, 'a', '__proto__.polluted')
        await index.increment(key, 'a', 'constructor.prototype.polluted')
      }
      expect(({} as Row).polluted).toBeUndefined()
      expect((Object as unknown as Row).polluted).toBeUndefined()
    })
  })

  async function columnsOf(table: string): Promise<Set<string>> {
    const { sql, info } = use()
    const rows = await sql<{ column_name: string }>(
      'select column_name from information_schema.columns where table_schema = $1 and table_name = $2 and data_type in (\'text\', \'jsonb\', \'boolean\')',
      [info.schema, `${info.prefix}_${table}`])
    return new Set(rows.map(row => row.column_name))
  }
}

/** With members in one order, and `__proto__` as a member like any other. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1).map(([name, member]) => [name, sorted(member)])
}

function leafOf(value: unknown, depth: number): unknown {
  let current = value
  for (let level = 0; level < depth; level++) current = Array.isArray(current) ? current[0] : (current as Row)?.a
  return current
}
