interface Sum {
  by: number
}

/** Whole numbers add up to the same in any order; fractions don't, so each goes out alone. */
export function foldSums<I extends Sum>(first: I, second: I): I | undefined {
  const by = first.by + second.by
  return Number.isSafeInteger(second.by) && Number.isSafeInteger(by) ? { ...first, by } : undefined
}

/** What each of the inputs would have been told on its own, from what the last one is told. */
export function runningValues(last: number, calls: { input: Sum }[]): number[] {
  const values = Array.from<number>({ length: calls.length })
  let value = last
  for (let at = calls.length - 1; at >= 0; at--) {
    values[at] = value
    value -= calls[at]!.input.by
  }
  return values
}
