const DEPTH = 2
const PRINTABLE = /^[\t\n\r\x20-\x7E\u00A0-\uFFFF]+$/

/**
 * The forms in which a secret may be contained in a value: as it is, and decoded (percent, base64,
 * hex, JSON escapes). Case, white space and quotes are ignored.
 */
export function formsOf(value: string): string[] {
  const found = new Set<string>([value])
  let last = [value]
  for (let depth = 0; depth < DEPTH; depth++) {
    last = last.flatMap(text => decoders.flatMap(decode => decode(text) ?? [])).filter(text => PRINTABLE.test(text) && !found.has(text))
    last.forEach(text => found.add(text))
  }
  return [...new Set([...found].map(normal))].filter(form => form !== '')
}

const normal = (text: string): string => text.toLowerCase().replace(/\\n|[\s"'`\\]/g, '')

const decoders: ((text: string) => string | undefined)[] = [
  (text) => {
    try {
      return decodeURIComponent(text)
    }
    catch {
      // A `%` that starts no escape: not percent-encoded.
      return undefined
    }
  },
  text => /^[\w+/-]{6,}={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString('utf8') : undefined,
  text => /^(?:[\da-f]{2}){3,}$/i.test(text) ? Buffer.from(text, 'hex').toString('utf8') : undefined,
]
