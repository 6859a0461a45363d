import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { globMatcher, likePattern } from '../../src/runtime/core/shared/glob'

/** All strings of up to `length` characters out of an alphabet. */
function stringsOf(alphabet: string[], length: number): string[] {
  let last = ['']
  const all = [...last]
  for (let size = 1; size <= length; size++) {
    last = last.flatMap(text => alphabet.map(character => text + character))
    all.push(...last)
  }
  return all
}

/** What a glob means, by a regular expression: right, and slow for some. */
function meaningOf(glob: string): RegExp {
  const source = glob.replace(/[\\^$.*+?()[\]{}|/]/g, character => ({ '*': '.*', '?': '.' })[character] ?? `\\${character}`)
  return new RegExp(`^${source}$`, 'su')
}

/** Ends a match that would not end by itself. */
const matchInTime = (glob: string, text: string): boolean =>
  runInNewContext('match(text)', { match: globMatcher(glob), text }, { timeout: 5_000 }) as boolean

describe('a glob', () => {
  it('matches what its meaning says, for every short glob and text', () => {
    const texts = stringsOf(['a', 'b', '😀', '\n'], 4)
    const wrong = stringsOf(['a', 'b', '😀', '*', '?'], 4).flatMap((glob) => {
      const [matches, meaning] = [globMatcher(glob), meaningOf(glob)]
      return texts.filter(text => matches(text) !== meaning.test(text)).map(text => [glob, text])
    })
    expect(wrong).toEqual([])
  })

  it.each([
    ['s:*a*a*a*a*a*a*b', `s:${'a'.repeat(1022)}`],
    [`s:${'*a'.repeat(500)}b`, `s:${'a'.repeat(1022)}`],
    ['*:*:*:*:done', ':'.repeat(1024)],
    ['*:*:*:*:*:*:*:*:*:*:done', 'a:'.repeat(512)],
    [`${'*?'.repeat(400)}b`, 'a'.repeat(1024)],
    [`${'*'.repeat(1023)}b`, 'a'.repeat(1024)],
    [`*${'a'.repeat(512)}b`, 'a'.repeat(1024)],
    [`${'*a?'.repeat(300)}b`, '😀a'.repeat(340)],
  ])('that a regular expression would try for ever is refused in bounded steps (%#)', (glob, text) => {
    expect(matchInTime(glob, text)).toBe(false)
  })

  it('takes no more steps than the product of both lengths', () => {
    const glob = `s:${'*aab'.repeat(60)}c`
    let looks = 0
    const text = new Proxy(Object(`s:${'aaab'.repeat(200)}`) as object, {
      get(target, member) {
        looks++
        const value: unknown = Reflect.get(target, member)
        return typeof value === 'function' ? value.bind(target) as unknown : value
      },
    }) as unknown as string
    expect(globMatcher(glob)(text)).toBe(false)
    // Each step looks at the text a few times.
    expect(looks).toBeLessThan(4 * glob.length * text.length)
  })

  it('has one % for a run of *, and escapes what `like` would take for its own', () => {
    expect(likePattern('***a**?*_%\\')).toBe('%a%_%\\_\\%\\\\')
  })
})
