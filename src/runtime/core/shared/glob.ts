/** Whether a string contains `*` (any number of characters) or `?` (exactly one); everything else is literal. */
export const isGlob = (text: string): boolean => /[*?]/.test(text)

/** A glob as the pattern of `like … escape '\'`. Several `*` in a row match the same as one, but slower: they are collapsed. */
export function likePattern(glob: string): string {
  return glob.replace(/\*+|[\\%_?]/g, (found) => {
    if (found.startsWith('*')) return '%'
    return found === '?' ? '_' : `\\${found}`
  })
}

/** The literal prefix of everything that a glob matches. */
export const literalStart = (glob: string): string => /^[^*?]*/.exec(glob)![0]

/**
 * The same match outside the database. Backtracking only ever extends the most recent `*`: any input that an earlier
 * one could consume instead, the most recent one can consume as well. The number of steps is therefore bounded by the
 * product of both lengths, and for most globs by the length of the input. A regular expression could backtrack
 * exponentially.
 */
export function globMatcher(glob: string): (text: string) => boolean {
  return (text) => {
    let [at, wanted] = [0, 0]
    // Position in the glob after the most recent `*`, and the end of the input it has consumed.
    let [resume, consumed] = [-1, 0]
    while (at < text.length) {
      const want = glob[wanted]
      if (want === '*') {
        resume = ++wanted
        consumed = at
      }
      else if (want === '?') {
        at += widthAt(text, at)
        wanted++
      }
      else if (want === text[at]) {
        at++
        wanted++
      }
      else if (resume >= 0) {
        consumed += widthAt(text, consumed)
        at = consumed
        wanted = resume
      }
      else {
        return false
      }
    }
    while (glob[wanted] === '*') wanted++
    return wanted === glob.length
  }
}

/** Number of UTF-16 units of the character at this position. */
const widthAt = (text: string, at: number): number => text.codePointAt(at)! > 0xFFFF ? 2 : 1
