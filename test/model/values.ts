import { createHash } from 'node:crypto'
import fc from 'fast-check'

/** An object with its members in this order; `__proto__` is a member like any other. */
export function objectOf(members: [name: string, value: unknown][]): Record<string, unknown> {
  const object: Record<string, unknown> = {}
  for (const [name, value] of members) {
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
  }
  return object
}

// longer than an index row of PostgreSQL may be, and not to be compressed
const long = Array.from({ length: 80 }, (_, at) => createHash('sha256').update(String(at)).digest('base64')).join('')

export const TEXTS = [
  '', 'a', 'b', 'running', 'awaiting', 'failed', '5', '0', 'true', 'null', 'NULL', 'NaN', 'a,b', 'žluťoučký kůň 🐎', 'e\u0301', '\n\t',
  `it's "q" \\ %_;--`, '{"a":1}', '$1', long,
]

/** Texts that are instants, and texts that nearly are. */
export const ISO_TEXTS = [
  '2026-01-01T00:00:00.000Z', '1969-12-31T23:59:59.999Z', '+010000-01-01T00:00:00.000Z', '-000001-01-01T00:00:00.000Z',
  '2026-01-01', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00.0Z', '2026-01-01T00:00:00.000+00:00',
  '2026-01-01T00:00:00.000', '2026-02-30T00:00:00.000Z', '2026-01-01T24:00:00.000Z', '2026-01-01T00:00:00.0000Z',
  ' 2026-01-01T00:00:00.000Z', '2026-01-01t00:00:00.000z', '-000000-01-01T00:00:00.000Z', 'January 1, 2026',
]

export const TIMES = ISO_TEXTS.map(text => Date.parse(text)).filter(time => !Number.isNaN(time))

export const NUMBERS = [
  0, -0, 1, 2, 3, -1, 5, 1.5, 0.1, -0.25, 1e-7, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2,
  2 ** 63, -(2 ** 63), 2 ** 64, 1e21, 1e22, 123456789012345680000, 1e308, -1e308, 5e-324, 8.64e15, 8.64e15 + 1,
]

export const NAMES = [
  'a', 'b', 'total', 'status', 'x.y', '', '.', 'a.', '__proto__', 'constructor', 'toString', 'version', 'user.email',
  'žluť 🐎', `"'\\`, '$1', '0', '10', 'length', 'NULL', '{a,b}',
]

export const text = fc.constantFrom(...TEXTS)
export const number = fc.oneof(fc.constantFrom(...NUMBERS), fc.integer({ min: -3, max: 9 }))
export const time = fc.oneof(fc.constantFrom(...ISO_TEXTS), fc.constantFrom(...TIMES))
export const scalar = fc.oneof(
  { weight: 4, arbitrary: number },
  { weight: 4, arbitrary: text },
  { weight: 2, arbitrary: time },
  { weight: 1, arbitrary: fc.boolean() },
  { weight: 1, arbitrary: fc.constant(null) },
)

export function members(names: string[], value: fc.Arbitrary<unknown>, maxLength = 4) {
  const member = fc.tuple(fc.constantFrom(...names), value)
  return fc.array(member, { maxLength, size: 'max' }).map(objectOf)
}

/** Whatever JSON can hold, a few levels deep, with members that are undefined and Dates in between. */
export const json: fc.Arbitrary<unknown> = fc.letrec<{ any: unknown }>(tie => ({
  any: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    { weight: 8, arbitrary: scalar },
    { weight: 1, arbitrary: fc.constantFrom<unknown[]>({}, [], [null], new Date(0)) },
    { weight: 1, arbitrary: fc.array(tie('any').map(item => item ?? null), { maxLength: 3 }) },
    { weight: 3, arbitrary: members(NAMES, fc.option(tie('any'), { nil: undefined, freq: 12 })) },
  ),
})).any

const cycle: { self?: unknown } = {}
cycle.self = { cycle }

/** What no JSON text in PostgreSQL can hold. */
export const refused = fc.constantFrom<unknown[]>(
  Number.NaN, Number.POSITIVE_INFINITY, 10n, 'nul \0', 'half \uD83D', { 'half \uDC0E': 1 }, { 'a\0': 1 },
  [Number.NEGATIVE_INFINITY], { a: [{ b: Number.NaN }] }, cycle,
)

/** Mostly `good`, now and then something that must be refused. */
export function rarely<Good, Bad>(good: fc.Arbitrary<Good>, bad: fc.Arbitrary<Bad>, one = 40): fc.Arbitrary<Good | Bad> {
  return fc.oneof({ weight: one - 1, arbitrary: good }, { weight: 1, arbitrary: bad })
}
