const DEPTH = 2
const PRINTABLE = /^[\t\n\r\x20-\x7E\u00A0-\uFFFF]+$/

/**
 * The forms under which a value may hide in another: as it is, and what comes out when it is decoded (percent, base64,
 * hex, JSON escapes). Case, white space and quotes do not count.
 */
export function viewsOf(value: string): string[] {
  const found = new Set<string>([value])
  let last = [value]
  for (let depth = 0; depth < DEPTH; depth++) {
    last = last.flatMap(text => decoders.flatMap(decode => decode(text) ?? [])).filter(text => PRINTABLE.test(text) && !found.has(text))
    last.forEach(text => found.add(text))
  }
  return [...new Set([...found].map(normal))].filter(view => view !== '')
}

const normal = (text: string): string => text.toLowerCase().replace(/\\n|[\s"'`\\]/g, '')

const decoders: ((text: string) => string | undefined)[] = [
  (text) => {
    try {
      return decodeURIComponent(text)
    }
    catch {
      // A `%` that begins no escape: not percent-encoded.
      return undefined
    }
  },
  text => /^[\w+/-]{6,}={0,2}$/.test(text) ? Buffer.from(text, 'base64').toString('utf8') : undefined,
  text => /^(?:[\da-f]{2}){3,}$/i.test(text) ? Buffer.from(text, 'hex').toString('utf8') : undefined,
]
