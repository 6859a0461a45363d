interface Sum {
  by: number
}

/** The sum of integers does not depend on their order. The sum of fractions does, so these are sent alone. */
export function foldSums<I extends Sum>(first: I, second: I): I | undefined {
  const by = first.by + second.by
  return Number.isSafeInteger(second.by) && Number.isSafeInteger(by) ? { ...first, by } : undefined
}

/** The result that each call would have had on its own, computed from the result of the last one. */
export function runningValues(last: number, calls: { input: Sum }[]): number[] {
  const values = Array.from<number>({ length: calls.length })
  let value = last
  for (let at = calls.length - 1; at >= 0; at--) {
    values[at] = value
    value -= calls[at]!.input.by
  }
  return values
}
