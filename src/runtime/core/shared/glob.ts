/** `*` stands for any run of characters, `?` for one; everything else is literal. */
export const isGlob = (text: string): boolean => /[*?]/.test(text)

/** A glob as the pattern of `like … escape '\'`. A run of `*` means no more than one, and would cost more. */
export function likePattern(glob: string): string {
  return glob.replace(/\*+|[\\%_?]/g, (found) => {
    if (found.startsWith('*')) return '%'
    return found === '?' ? '_' : `\\${found}`
  })
}

/** What everything begins with that a glob matches. */
export const literalStart = (glob: string): string => /^[^*?]*/.exec(glob)![0]

/**
 * The same match outside the database. Only the last `*` may still take more: whatever an earlier one could have
 * taken instead, the last one can take as well. So the steps are bounded by the product of both lengths, and for
 * most globs by the length of the text; a regular expression would try every way to share the text out.
 */
export function globMatcher(glob: string): (text: string) => boolean {
  return (text) => {
    let [at, wanted] = [0, 0]
    // Behind the last `*`, and how far it has taken the text.
    let [resume, taken] = [-1, 0]
    while (at < text.length) {
      const want = glob[wanted]
      if (want === '*') {
        resume = ++wanted
        taken = at
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
        taken += widthAt(text, taken)
        at = taken
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

/** UTF-16 units of the character that begins there. */
const widthAt = (text: string, at: number): number => text.codePointAt(at)! > 0xFFFF ? 2 : 1
