import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../src/runtime/core/shared/json'
import { indexSpecs, streamSpecs } from '../../src/runtime/core/tables/builtin'
import { columnCodecs } from '../../src/runtime/core/tables/columns'
import { pathOf, startsWith } from '../../src/runtime/core/tables/fields'
import type { ColumnType } from '../../src/runtime/core/tables/types'

const accepts = (type: ColumnType, value: Json, indexed = false) => columnCodecs[type].accepts(value, { column: 'c', type, indexed })
const bounds: Json[] = [Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER]

const cases: Record<ColumnType, { takes: Json[], refuses: Json[] }> = {
  text: { takes: ['', 'a', '0', 'a\nb', 'x'.repeat(5000)], refuses: [0, true, null, [], {}] },
  integer: { takes: [0, -0, 1, -5, 2 ** 31, ...bounds], refuses: [0.5, 2 ** 53, 1e300, '1', '', true, null, [], {}] },
  time: {
    takes: [0, -1, 1700000000000, '2024-05-01T10:00:00.000Z', '2024-05-01T10:00Z', '2024-05-01T10:00:00+05:45', '2024-05-01T10:00:00.123456789Z'],
    refuses: [0.5, '', 'soon', '2024', '2024-05-01', '2024-05-01 10:00:00Z', '2024-05-01T10:00:00', '2024-13-01T10:00:00Z', '2024-05-01T10:00:00Z ', true, null, {}],
  },
  boolean: { takes: [true, false], refuses: ['true', 0, 1, null, [], {}] },
  object: { takes: [{}, { a: null }], refuses: [[], null, 'a', 0, true] },
  json: { takes: [0, '', [], {}, false, 'null'], refuses: [null] },
  key: { takes: ['a'], refuses: [0, null, {}, []] },
}

describe.each(Object.entries(cases) as [ColumnType, { takes: Json[], refuses: Json[] }][])('a column of type %s', (type, { takes, refuses }) => {
  const codec = columnCodecs[type]

  it('takes its values', () => {
    expect(takes.filter(value => !accepts(type, value))).toEqual([])
  })

  it('leaves all others to the rest', () => {
    expect(refuses.filter(value => accepts(type, value))).toEqual([])
  })

  it('gives back what it took, or says that the rest must keep it', () => {
    for (const value of takes.filter(each => !codec.keepsOriginal?.(each))) {
      const encoded = codec.encode(value)
      // The drivers hand bigint out as text.
      const raw = codec.sql === 'bigint' ? String(encoded) : encoded
      expect(JSON.stringify(codec.decode(raw))).toBe(JSON.stringify(value))
    }
  })
})

describe('a time column', () => {
  it('holds milliseconds and leaves the text it was written as to the rest', () => {
    const { encode, keepsOriginal } = columnCodecs.time
    expect(encode('1970-01-01T00:00:01.500Z')).toBe(1500)
    expect(encode('1970-01-01T05:45:00+05:45')).toBe(0)
    expect(encode(1500)).toBe(1500)
    expect([keepsOriginal!('1970-01-01T00:00:01.500Z'), keepsOriginal!(1500)]).toEqual([true, false])
  })

  it('takes every text Date makes', () => {
    // Years beyond 9999 are written with a sign: they stay in the rest.
    fc.assert(fc.property(fc.date({ min: new Date(0), max: new Date(253402300799999), noInvalidDate: true }), (date) => {
      expect(accepts('time', date.toISOString())).toBe(true)
      expect(columnCodecs.time.encode(date.toISOString())).toBe(date.getTime())
    }))
  })
})

describe('an indexed text', () => {
  it('fits up to 512 bytes, whatever its characters', () => {
    expect(accepts('text', 'x'.repeat(512), true)).toBe(true)
    expect(accepts('text', 'x'.repeat(513), true)).toBe(false)
    expect(accepts('text', '😀'.repeat(128), true)).toBe(true)
    expect(accepts('text', '😀'.repeat(129), true)).toBe(false)
    expect(accepts('text', 'x'.repeat(513))).toBe(true)
  })
})

describe('paths', () => {
  it.each([
    ['a', ['a']], ['a.b.c', ['a', 'b', 'c']], ['.a', ['.a']], ['a.', ['a.']], ['a..b', ['a..b']], ['.', ['.']], ['', ['']],
  ])('%j is %j', (name, path) => {
    expect(pathOf(name)).toEqual(path)
  })

  it('begin with a path by whole segments', () => {
    expect(startsWith(['a', 'b'], ['a'])).toBe(true)
    expect(startsWith(['a', 'b'], ['a', 'b'])).toBe(true)
    expect(startsWith(['a', 'b'], [])).toBe(true)
    expect(startsWith(['ab'], ['a'])).toBe(false)
    expect(startsWith(['a'], ['a', 'b'])).toBe(false)
  })
})

describe('the table specs', () => {
  it('are plain data, so that they travel into a bundle', () => {
    expect(JSON.parse(JSON.stringify([streamSpecs, indexSpecs]))).toEqual([streamSpecs, indexSpecs])
  })

  it('name columns in plain words and each of them once', () => {
    for (const spec of [...streamSpecs, ...indexSpecs]) {
      const columns = Object.values(spec.fields).map(field => field.column)
      expect(columns.filter(column => !/^[a-z_]+$/.test(column))).toEqual([])
      expect(new Set(columns).size).toBe(columns.length)
    }
  })

  it('have no field inside of another, and none that an object inherits', () => {
    for (const spec of [...streamSpecs, ...indexSpecs]) {
      const names = Object.keys(spec.fields)
      expect(names.filter(name => names.some(other => name.startsWith(`${other}.`)))).toEqual([])
      expect(names.flatMap(name => name.split('.')).filter(segment => segment in {})).toEqual([])
    }
  })

  it('have one that takes everything at the end of each kind', () => {
    expect([streamSpecs.at(-1)!.subject, indexSpecs.at(-1)!.subject]).toEqual(['{subject}', '{key}'])
  })
})
