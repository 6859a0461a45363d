/** `*` stands for any run of characters, `?` for one; everything else is literal. */
export const isGlob = (text: string): boolean => /[*?]/.test(text)

/** A glob as the pattern of `like … escape '\'`. */
export function likePattern(glob: string): string {
  return glob.replace(/[\\%_*?]/g, (character) => {
    if (character === '*') return '%'
    return character === '?' ? '_' : `\\${character}`
  })
}

/** What everything begins with that a glob matches. */
export const literalStart = (glob: string): string => /^[^*?]*/.exec(glob)![0]

/** The same match outside the database. */
export function globMatcher(glob: string): (text: string) => boolean {
  const source = glob.replace(/[\\^$.*+?()[\]{}|/]/g, (character) => {
    if (character === '*') return '.*'
    return character === '?' ? '.' : `\\${character}`
  })
  const pattern = new RegExp(`^${source}$`, 'su')
  return text => pattern.test(text)
}
