import { likePattern, literalStart } from '../shared/glob'

/** A glob as a pattern for `like`, and the bounds of what it may match: `*` any run, `?` one character, all else literal. */
export function likeOf(glob: string): { pattern: string, from: string, to: string | null } {
  const from = literalStart(glob)
  return { pattern: likePattern(glob), from, to: successor(from) }
}

/** The smallest text, byte by byte, above every text that starts with `start`; null when there is none. */
function successor(start: string): string | null {
  const points = [...start].map(character => character.codePointAt(0)!)
  while (points.at(-1) === 0x10FFFF) points.pop()
  const last = points.pop()
  if (last === undefined) return null
  // The code points of surrogates stand for no character.
  const next = last + 1 === 0xD800 ? 0xE000 : last + 1
  return String.fromCodePoint(...points, next)
}
