import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { servers } from './servers'

type Json = string | number | boolean | null | Json[] | { [name: string]: Json }

const isObject = (value: Json): value is { [name: string]: Json } => typeof value === 'object' && value !== null && !Array.isArray(value)

/** RFC 7396, section 2, line by line. */
function mergePatch(target: Json, patch: Json): Json {
  if (!isObject(patch)) return patch
  const merged = new Map(Object.entries(isObject(target) ? target : {}))
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name)
    else merged.set(name, mergePatch(merged.get(name) ?? null, value))
  }
  return Object.fromEntries(merged)
}

// Few names, so that a patch often meets what it changes.
const name = fc.constantFrom('a', 'b', 'c', '', 'é😀', '"', 'a.b', '__proto__', 'constructor')
const json = fc.letrec<{ value: Json }>(tie => ({
  value: fc.oneof({ maxDepth: 4, withCrossShrink: true },
    fc.constantFrom<Json>(null, true, false, 0, 1, -1.5, 1e30, '', 'null', 'x'),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  ),
})).value
const members = fc.dictionary(name, json, { maxKeys: 5 })

// The examples of the RFC's appendix A.
const EXAMPLES: [target: Json, patch: Json, result: Json][] = [
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [['a', 'b'], ['c', 'd'], ['c', 'd']],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
]

/** A text that is the same for values that are: PostgreSQL keeps members in an order of its own. */
const canonical = (value: unknown) => JSON.stringify(value, (_name, each: unknown) =>
  typeof each === 'object' && each !== null && !Array.isArray(each)
    ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => a < b ? -1 : 1))
    : each)

describe.each(servers)('the merge functions on $name', ({ server }) => {
  let database: Database

  beforeAll(async () => {
    database = await freshDatabase(server)
    await openStore({ connection: database.url }).ready()
  })

  describe.each(['jsonb_deep_merge', 'nvent_merge_patch'])('%s', (merge) => {
    async function merged(pairs: (readonly [target: Json, patch: Json])[]): Promise<unknown[]> {
      const rows = await database.sql<{ merged: string }>(
        `select ${merge}(t::jsonb, p::jsonb)::text as merged from unnest($1::text[], $2::text[]) with ordinality as pairs (t, p, at) order by at`,
        [pairs.map(([target]) => JSON.stringify(target)), pairs.map(([, patch]) => JSON.stringify(patch))],
      )
      return rows.map(row => JSON.parse(row.merged) as unknown)
    }

    it('does what the examples of RFC 7396 do', async () => {
      expect(EXAMPLES.map(([target, patch]) => canonical(mergePatch(target, patch)))).toEqual(EXAMPLES.map(([, , result]) => canonical(result)))
      expect((await merged(EXAMPLES.map(([target, patch]) => [target, patch]))).map(canonical)).toEqual(EXAMPLES.map(([, , result]) => canonical(result)))
    })

    it('does what RFC 7396 says with any two values', async () => {
      const pair = fc.oneof({ weight: 4, arbitrary: fc.tuple(members, members) }, { weight: 1, arbitrary: fc.tuple(json, json) })
      await fc.assert(fc.asyncProperty(fc.array(pair, { minLength: 1, maxLength: 60, size: 'max' }), async (pairs) => {
        expect((await merged(pairs)).map(canonical)).toEqual(pairs.map(([target, patch]) => canonical(mergePatch(target, patch))))
      }), { numRuns: 60 })
    })

    it('takes SQL null for nothing: no target is an empty one, no patch changes nothing', async () => {
      const [row] = await database.sql(`select ${merge}(null, '{"a":1,"b":{"c":null}}') as filled, ${merge}('{"a":1}', null) as kept, ${merge}(null, null) as none`)
      expect(row).toEqual({ filled: { a: 1, b: {} }, kept: { a: 1 }, none: null })
    })
  })

  it('are immutable and safe in parallel queries', async () => {
    expect(await database.sql(`select distinct provolatile as volatile, proparallel as parallel from pg_proc
      where proname in ('jsonb_deep_merge', 'nvent_merge_patch')`)).toEqual([{ volatile: 'i', parallel: 's' }])
  })
})
