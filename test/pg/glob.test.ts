import { beforeAll, describe, expect, it } from 'vitest'
import { globMatcher, likePattern } from '../../src/runtime/core/shared/glob'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'

const ALPHABET = ['a', 'b', 'é', '😀', '\n', '\\', '%', '_', '.', ':']

/** The same numbers in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor(state / 2 ** 31 * below)
  }
}

describe('globs', () => {
  let database: Database

  beforeAll(async () => {
    database = await freshDatabase('pg18')
  })

  it('match in this process what they match in the database', async () => {
    const next = numbers(12)
    const draw = (alphabet: string[], length: number) => Array.from({ length: next(length + 1) }, () => alphabet[next(alphabet.length)]!).join('')
    const pairs = Array.from({ length: 20_000 }, () => ({ glob: draw([...ALPHABET, '*', '*', '*', '?', '?'], 6), text: draw(ALPHABET, 8) }))
    const [row] = await database.sql<{ matches: boolean[] }>(
      `select array_agg(t.text like t.pattern escape '\\' order by t.at) as matches
       from unnest($1::text[], $2::text[]) with ordinality as t (text, pattern, at)`,
      [pairs.map(({ text }) => text), pairs.map(({ glob }) => likePattern(glob))],
    )
    const inDatabase = row!.matches
    expect(inDatabase.filter(Boolean).length).toBeGreaterThan(500)
    expect(pairs.filter(({ glob, text }, at) => globMatcher(glob)(text) !== inDatabase[at])).toEqual([])
  })

  it('that are hard to match hold up neither an append nor a look through all keys', async () => {
    const store = openStore({ connection: database.url, pollInterval: 20 })
    const hard = `${'*a'.repeat(400)}b`
    const subject = `s:${'a'.repeat(1000)}`
    const seen: string[] = []
    await store.stream.subscribe(`s:${hard}`, (_, name) => seen.push(name))
    await store.stream.append(subject, { type: 'x' })
    await store.stream.append(`${subject}b`, { type: 'x' })
    await expect.poll(() => seen).toEqual([`${subject}b`])
    await store.kv.setMany(Array.from({ length: 200 }, (_, at) => ({ key: `${at}${'a'.repeat(1000)}`, value: at })))
    expect(await store.kv.list({ glob: hard })).toEqual({ keys: [], cursor: null })
    expect(await store.kv.clear(hard)).toBe(0)
    expect((await store.stream.list({ glob: `s:${hard}` })).streams).toHaveLength(1)
  })

  it('are as long as a name at most, wherever they are given', async () => {
    const store = openStore({ connection: database.url })
    const glob = `${'x'.repeat(1024)}*`
    const refused = { code: 'INVALID_VALUE', message: expect.stringContaining('at most 1024') as string }
    await expect(store.kv.clear(glob)).rejects.toMatchObject(refused)
    await expect(store.kv.list({ glob })).rejects.toMatchObject(refused)
    await expect(store.stream.list({ glob })).rejects.toMatchObject(refused)
    await expect(store.stream.subscribe(glob, () => {})).rejects.toMatchObject(refused)
    await expect(store.stream.readAll({ subjects: [glob] })[Symbol.asyncIterator]().next()).rejects.toMatchObject(refused)
    expect(() => openStore({ connection: database.url, retention: [{ subject: glob, maxCount: 1, action: 'drop' }] }))
      .toThrow(/retention\.0\.subject.*maximum of 1024/)
  })
})
