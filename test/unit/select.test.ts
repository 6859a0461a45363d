import { describe, expect, it } from 'vitest'
import { streamSpecs } from '../../src/runtime/core/tables/builtin'
import { subjectPrefixOf } from '../../src/runtime/core/tables/route'
import { createSelect, partitionsOf } from '../../src/runtime/core/tables/select'
import { globMatcher, isGlob, likePattern } from '../../src/runtime/core/shared/glob'

const select = createSelect(streamSpecs, 'my.app')
const tablesOf = (...subjects: string[]) => select(subjects).map(({ spec }) => spec.table)

describe('globs', () => {
  it.each([
    ['orders:*', 'orders:1', true],
    ['orders:*', 'orders:', true],
    ['orders:*', 'orders', false],
    ['*', 'line\nbreak', true],
    ['a?c', 'a💚c', true],
    ['a?c', 'ac', false],
    ['a.c*', 'abc', false],
    ['[a]*', '[a]b', true],
    ['a\\*', 'a\\b', true],
    ['A*', 'ab', false],
  ])('%s matches %j: %s', (glob, text, expected) => {
    expect(globMatcher(glob)(text)).toBe(expected)
  })

  it('become patterns of like', () => {
    expect(likePattern('a%_\\*b?')).toBe('a\\%\\_\\\\%b_')
    expect([isGlob('a*'), isGlob('a?'), isGlob('a%_[]')]).toEqual([true, true, false])
  })
})

describe('the tables of subjects', () => {
  it('are all of them without subjects', () => {
    expect(select().map(({ spec, wanted }) => [spec.table, wanted])).toEqual([['flow_events', undefined], ['trigger_events', undefined], ['events', undefined]])
    expect(tablesOf()).toEqual([])
  })

  it('are those that may hold one', () => {
    expect(tablesOf('my.app:flow:run:1')).toEqual(['flow_events'])
    expect(tablesOf('orders:1', 'my.app:trigger:event:1')).toEqual(['trigger_events', 'events'])
    expect(tablesOf('orders:*')).toEqual(['events'])
    expect(tablesOf('my.app:flow:*')).toEqual(['flow_events', 'events'])
    expect(tablesOf('my.app:flow:run:12*')).toEqual(['flow_events', 'events'])
    expect(tablesOf('*:1')).toEqual(['flow_events', 'trigger_events', 'events'])
  })
})

describe('the partitions of a glob', () => {
  const holds = (glob: string, subject: string) => {
    const partitions = partitionsOf(glob)
    if (!partitions) return true
    const key = subjectPrefixOf(subject)
    return partitions.keys.includes(key) || (partitions.from !== undefined && key >= partitions.from && key < partitions.to!)
  }

  it.each([
    ['orders:*', ['orders:1', 'orders:a:b', 'orders:1:2', 'orders:', 'orders:a b:c']],
    ['orders:a:*', ['orders:a:1', 'orders:a:b:c']],
    ['orders:4?:*', ['orders:42:x', 'orders:4a:x']],
    ['or*', ['orders:1', 'or', 'or:a:b']],
    ['1st:*', ['1st:x', '1st:a:b']],
    [':*', [':a', '::']],
    ['a:b:c:*', ['a:b:c:d']],
  ])('%s hold every subject it matches', (glob, subjects) => {
    for (const subject of subjects) {
      expect(globMatcher(glob)(subject), subject).toBe(true)
      expect(holds(glob, subject), subject).toBe(true)
    }
  })

  it('leave others out', () => {
    expect(holds('orders:*', 'invoices:1')).toBe(false)
    expect(holds('orders:a:*', 'orders:1')).toBe(false)
  })
})
