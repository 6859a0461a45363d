// A stray semicolon is an empty statement, which PostgreSQL ignores.
const BLANK = /(?:[\s;]|--[^\n\r]*)+/y
const BOUNDS = /\/\*|\*\//g
const WORD = /[a-z]\w*/iy

/** The first words of a statement in lower case. White space and comments before and between them are skipped. */
export function leadingWords(text: string, count: number): string[] {
  const words: string[] = []
  for (let at = skipBlank(text, 0); words.length < count; at = skipBlank(text, WORD.lastIndex)) {
    WORD.lastIndex = at
    const word = WORD.exec(text)
    if (!word) break
    words.push(word[0].toLowerCase())
  }
  return words
}

function skipBlank(text: string, from: number): number {
  for (let at = from; ;) {
    BLANK.lastIndex = at
    if (BLANK.test(text)) at = BLANK.lastIndex
    else if (text.startsWith('/*', at)) at = endOfComment(text, at)
    else return at
  }
}

/** Comments can be nested in PostgreSQL. */
function endOfComment(text: string, from: number): number {
  BOUNDS.lastIndex = from
  let depth = 0
  for (let bound = BOUNDS.exec(text); bound; bound = BOUNDS.exec(text)) {
    depth += bound[0] === '/*' ? 1 : -1
    if (depth === 0) return BOUNDS.lastIndex
  }
  return text.length
}
