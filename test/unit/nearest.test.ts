import { describe, expect, it } from 'vitest'
import { nearest } from '../../src/runtime/core/shared/nearest'

const known = ['poolSize', 'prefix', 'schema', 'expectedVersion', 'limit', 'to']

describe('the nearest known name', () => {
  it.each([
    ['poolsize', 'poolSize'],
    ['pool_size', 'poolSize'],
    ['pool-size', 'poolSize'],
    ['expectVersion', 'expectedVersion'],
    ['expectedVersoin', 'expectedVersion'],
    ['shema', 'schema'],
    ['limits', 'limit'],
    ['too', 'to'],
    ['limti', 'limit'],
    ['ot', 'to'],
  ])('%s is most likely %s', (typed, meant) => {
    expect(nearest(typed, known)).toBe(meant)
  })

  it.each(['', 'colour', 'x', 'connectionString', '__proto__', '\uD800'])('%j is like none of them', (typed) => {
    expect(nearest(typed, known)).toBeUndefined()
  })

  it('prefers the closest, and of two as close the first', () => {
    expect(nearest('retentionIntervall', ['retention', 'retentionInterval'])).toBe('retentionInterval')
    expect(nearest('ab', ['aa', 'bb'])).toBe('aa')
  })

  it('knows nothing where nothing is known', () => {
    expect(nearest('name', [])).toBeUndefined()
  })
})
