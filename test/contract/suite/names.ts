import { describe, expect, it } from 'vitest'
import { textArguments, wrongNames } from './calls'
import { expectRefused, unique } from './context'
import type { Use } from './context'

const plainNames: [what: string, name: string][] = [
  ['quotes', `it's a "name" with \`quotes\``],
  ['SQL', `'; drop table nvent_kv; --`],
  ['placeholders', '$1 $2 {prefix} {schema} $nvent$ :name ?'],
  ['per cent signs', '100%'],
  ['underscores', '_a_'],
  ['backslashes', 'C:\\new\\table\\'],
  ['asterisks and question marks', '*?'],
  ['emoji', '🐘🏳️‍🌈'],
  ['line breaks', 'a\r\nb\tc\u2028d'],
  ['control characters', '\u0001\u007F\u0085\uFEFF'],
  ['only a space', ' '],
  ['only colons', ':::'],
  ['colons at both ends', ':a:'],
  ['the last code point', '\u{10FFFF}'],
  ['noncharacters', '\uFFFF\uFFFE'],
  ['the word null', 'null'],
  ['a member of every object', '__proto__'],
  ['the name of a method', 'constructor'],
  ['JSON', '{"a":1}'],
  ['a text that looks like an escape', '\\u0000 \\ud800'],
  ['1,024 bytes', 'x'.repeat(1024)],
  ['1,024 bytes of emoji', '🐘'.repeat(256)],
]

const similar = ['a', 'A', 'a ', ' a', 'á', 'a\u0301', 'а', 'ａ', 'a\t']

export function namesSuite(use: Use): void {
  describe('names: subjects, keys, entry ids', () => {
    it('may not begin with a byte order mark, which PGlite would drop', async () => {
      const { stream, index, kv } = use().store
      const name = '\uFEFFa'
      await expectRefused(() => stream.append(name, { type: 'named' }), 'subject')
      await expectRefused(() => stream.append('named', { type: name }), 'event.type')
      await expectRefused(() => index.add(name, 'a', 1), 'key')
      await expectRefused(() => index.add('named', name, 1), 'id')
      await expectRefused(() => kv.set(name, 1), 'key')
    })

    it.each(plainNames)('a subject may hold %s', async (_, subject) => {
      const { stream } = use().store
      const event = await stream.append(subject, { type: 'named' })
      expect(await stream.read(subject)).toStrictEqual([event])
      expect(await stream.delete(subject)).toBe(true)
      expect(await stream.read(subject)).toStrictEqual([])
    })

    it.each(plainNames)('a key and an entry id may hold %s', async (_, name) => {
      const { index } = use().store
      await index.add(name, name, 1, { a: 1 })
      expect(await index.update(name, name, { a: 2 })).toBe(true)
      expect(await index.increment(name, name, 'a')).toBe(3)
      const entry = { id: name, score: 1, metadata: { a: 3, version: 2 } }
      expect(await index.get(name, name)).toStrictEqual(entry)
      expect(await index.read(name)).toStrictEqual([entry])
      expect(await index.delete(name, name)).toBe(true)
      expect(await index.get(name, name)).toBeNull()
    })

    it.each(plainNames)('a key of the key-value tier may hold %s', async (_, key) => {
      const { kv } = use().store
      await kv.set(key, 1)
      expect(await kv.increment(key)).toBe(2)
      expect(await kv.get(key)).toBe(2)
      await kv.delete(key)
      expect(await kv.get(key)).toBeNull()
    })

    it.each(plainNames.filter(([, name]) => Buffer.byteLength(name) <= 512))('an event type may hold %s', async (_, type) => {
      const { stream } = use().store
      const subject = unique('types')
      const event = await stream.append(subject, { type })
      await stream.append(subject, { type: 'other' })
      expect(event.type).toBe(type)
      expect(await stream.read(subject, { types: [type] })).toStrictEqual([event])
    })

    it.each(plainNames.filter(([, name]) => !name.includes('.')))('a field that is counted may hold %s', async (_, field) => {
      const { index } = use().store
      const key = unique('fields')
      await index.add(key, 'a', 1)
      expect(await index.increment(key, 'a', field, 2)).toBe(2)
      expect(Object.entries((await index.get(key, 'a'))!.metadata!)).toContainEqual([field, 2])
    })

    it('names that only look alike are different names', async () => {
      const { stream, index, kv } = use().store
      const base = unique()
      for (const [at, name] of similar.entries()) {
        await stream.append(base + name, { type: 'at', data: at })
        await index.add(base, name, at)
        await index.add(base + name, 'a', at)
        await kv.set(base + name, at)
      }
      for (const [at, name] of similar.entries()) {
        expect((await stream.read(base + name)).map(event => event.data)).toStrictEqual([at])
        expect(await index.get(base, name)).toStrictEqual({ id: name, score: at })
        expect(await index.read(base + name)).toStrictEqual([{ id: 'a', score: at }])
        expect(await kv.get(base + name)).toBe(at)
      }
    })

    describe.each(textArguments)('$call', ({ argument, run }) => {
      it.each(wrongNames)(`refuses a ${argument} that is %s, and names it`, async (_, value) => {
        await expectRefused(() => run(use().store, value), argument)
      })
    })

    it('an event type is a string of at most 512 bytes', async () => {
      const { stream } = use().store
      const subject = unique('types')
      const type = '€'.repeat(170) + 'xx'
      expect((await stream.append(subject, { type })).type).toBe(type)
      await expectRefused(() => stream.append(subject, { type: `${type}x` }), 'event.type')
      expect(await stream.read(subject)).toHaveLength(1)
    })

    it('names of 1,024 bytes have a place in every table with columns of its own', async () => {
      const { store, P } = use()
      const long = (start: string) => start + randomText(1024 - Buffer.byteLength(start))
      for (const subject of [long(`${P}:flow:run:`), long(`${P}:trigger:event:`), long('orders:'), long('nq:flow:')]) {
        const event = await store.stream.append(subject, { type: randomText(512) })
        expect(await store.stream.read(subject, { types: [event.type] })).toStrictEqual([event])
      }
      const id = randomText(1024)
      for (const key of [long(`${P}:flow:runs:`), `${P}:flows`, `${P}:triggers`, `${P}:scheduler:jobs`, randomText(1024)]) {
        await store.index.add(key, id, 1, { status: randomText(1024) })
        expect(await store.index.get(key, id)).toMatchObject({ id, score: 1 })
        expect(await store.index.delete(key, id)).toBe(true)
      }
    })
  })
}

/** A text that does not get shorter when the database compresses it. */
function randomText(length: number): string {
  return Array.from({ length }, () => String.fromCharCode(33 + Math.floor(Math.random() * 90))).join('').replaceAll(':', ';')
}
