/** The known name most similar to a mistyped one; undefined when none is similar enough. */
export function nearest(name: string, known: readonly string[], maxEdits = Infinity): string | undefined {
  const typed = normal(name)
  let best: string | undefined
  // One edit for every three characters: more would suggest unrelated names.
  let allowed = Math.min(maxEdits, Math.max(1, Math.floor(typed.length / 3)))
  for (const candidate of known) {
    const edits = editsBetween(typed, normal(candidate))
    if (edits > allowed || (edits === allowed && best !== undefined)) continue
    best = candidate
    allowed = edits
  }
  return best
}

/** Ignores case and separators, which are mistyped most often: `pool_size`, `poolsize`. */
export const normal = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, '')

/** Edit distance (Damerau–Levenshtein): insertions, deletions, replacements and swaps of adjacent characters. */
function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column)
  let before = row
  for (let at = 0; at < one.length; at++) {
    const next = [at + 1]
    for (let column = 0; column < other.length; column++) {
      next.push(Math.min(
        row[column + 1]! + 1, next[column]! + 1, row[column]! + (one[at] === other[column] ? 0 : 1),
        at > 0 && column > 0 && one[at] === other[column - 1] && one[at - 1] === other[column] ? before[column - 1]! + 1 : Infinity,
      ))
    }
    before = row
    row = next
  }
  return row[other.length]!
}
