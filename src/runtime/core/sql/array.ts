const EACH_SPECIAL = /["\\]/g

/**
 * Values as an array literal of PostgreSQL, which both drivers send unchanged. Strings are quoted, so that none of them
 * is parsed as syntax or as NULL.
 */
export function arrayLiteral<I>(inputs: readonly I[], of: (input: I) => unknown): string {
  let text = '{'
  for (let at = 0; at < inputs.length; at++) {
    if (at > 0) text += ','
    text += element(of(inputs[at]!))
  }
  return `${text}}`
}

function element(value: unknown): string {
  if (typeof value === 'string') {
    // Two searches for a single character are faster than one regular expression.
    return value.includes('"') || value.includes('\\') ? `"${value.replace(EACH_SPECIAL, '\\$&')}"` : `"${value}"`
  }
  return value === null || value === undefined ? 'NULL' : String(value)
}
