/** The known name that a mistyped one most likely stands for; none when they have too little in common. */
export function nearest(name: string, known: readonly string[], maxEdits = Infinity): string | undefined {
  const typed = normal(name)
  let best: string | undefined
  // One edit for every three characters: more would suggest names nobody meant.
  let allowed = Math.min(maxEdits, Math.max(1, Math.floor(typed.length / 3)))
  for (const candidate of known) {
    const edits = editsBetween(typed, normal(candidate))
    if (edits > allowed || (edits === allowed && best !== undefined)) continue
    best = candidate
    allowed = edits
  }
  return best
}

/** Case and separators are what is mistyped most often: `pool_size`, `poolsize`. */
export const normal = (name: string): string => name.toLowerCase().replace(/[-_\s]/g, '')

/** Insertions, deletions, replacements and swaps of neighbours that turn one string into the other. */
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
