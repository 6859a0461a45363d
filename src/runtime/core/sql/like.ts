import { likePattern, literalStart } from '../shared/glob'

/** A glob as a pattern for `like`, and the bounds of the strings that can match: `from` is inclusive, `to` exclusive. */
export function likeOf(glob: string): { pattern: string, from: string, to: string | null } {
  const from = literalStart(glob)
  return { pattern: likePattern(glob), from, to: successor(from) }
}

/** The smallest string, in byte order, that is greater than every string starting with `start`; null when there is none. */
function successor(start: string): string | null {
  const points = [...start].map(character => character.codePointAt(0)!)
  while (points.at(-1) === 0x10FFFF) points.pop()
  const last = points.pop()
  if (last === undefined) return null
  // Surrogate code points are not characters.
  const next = last + 1 === 0xD800 ? 0xE000 : last + 1
  return String.fromCodePoint(...points, next)
}
