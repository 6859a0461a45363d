import { describe, expect, it } from 'vitest'
import { boundOf } from '../../src/runtime/core/sql/bound'

describe('the bound of a page', () => {
  it.each([[0, 64], [64, 64], [65, 256], [1_024, 1_024], [65_536, 65_536]])('of %i rows is %i', (rows, bound) => {
    expect(boundOf(rows)).toBe(bound)
  })

  it.each([65_537, Infinity])('of %d rows is none: no row of it may be cut off', (rows) => {
    expect(boundOf(rows)).toBeUndefined()
  })
})
