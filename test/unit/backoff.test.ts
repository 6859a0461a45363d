import ts from 'typescript'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createBackoff } from '../../src/runtime/core/shared/backoff'
import { nodesOf, placeOf, readSources } from './sources'

afterEach(() => {
  vi.restoreAllMocks()
})

const take = (count: number, next: () => number) => Array.from({ length: count }, next)

describe('a backoff', () => {
  it('doubles each pause up to the longest one', () => {
    const backoff = createBackoff({ first: 100, max: 1_000 })
    expect(take(6, backoff.next)).toEqual([100, 200, 400, 800, 1_000, 1_000])
  })

  it('stays at the longest one however often it is asked, and never begins above it', () => {
    const backoff = createBackoff({ first: 100, max: 1_000 })
    expect(take(2_000, backoff.next).at(-1)).toBe(1_000)
    expect(createBackoff({ first: 5_000, max: 1_000 }).next()).toBe(1_000)
  })

  it('begins again after a reset, and says how many pauses there were', () => {
    const backoff = createBackoff({ first: 10, max: 1_000 })
    expect(backoff.pauses).toBe(0)
    take(3, backoff.next)
    expect(backoff.pauses).toBe(3)
    backoff.reset()
    expect(backoff.pauses).toBe(0)
    expect(backoff.next()).toBe(10)
  })

  it.each([[0, 50], [0.5, 100], [0.999, 149.9]])('spreads pauses over its jitter: %d', (random, expected) => {
    vi.spyOn(Math, 'random').mockReturnValue(random)
    expect(createBackoff({ first: 100, max: 1_000, jitter: [0.5, 1.5] }).next()).toBeCloseTo(expected)
  })

  it('is the only place of the server where a pause grows or is spread', () => {
    const elsewhere = readSources().filter(({ name }) => !name.startsWith('runtime/app/') && name !== 'runtime/core/shared/backoff')
    const isGrown = (node: ts.Node): boolean => {
      const text = node.getText()
      if (ts.isCallExpression(node)) return text === 'Math.random()'
      return ts.isBinaryExpression(node) && /^\w*(?:pause|delay|look|retry|wait)\w* \*|\*\* (?:\+\+)?\w*(?:attempt|failure|tries)/i.test(text)
    }
    const found = elsewhere.flatMap(source => [...nodesOf(source.tree)].filter(isGrown).map(node => placeOf(source, node)))
    expect(found).toEqual([])
  })
})
