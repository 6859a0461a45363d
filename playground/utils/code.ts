import type { Call } from '~/types/desk'

const WIDTH = 64

/** A call as the line of code that makes it. */
export function codeOf({ tier, method, args, transaction }: Call): string {
  const given = args.slice(0, args.findLastIndex(arg => arg !== undefined && arg !== null) + 1)
  const store = transaction ? 'tx' : 'store'
  return `await ${store}.${tier}.${method}(${given.map(arg => literal(arg)).join(', ')})`
}

/** A value as TypeScript, on one line where it fits. */
export function literal(value: unknown, indent = ''): string {
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\').replaceAll('\'', '\\\'').replaceAll('\n', '\\n')}'`
  if (typeof value !== 'object' || value === null) return String(value)

  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  const members = (inner: string): string[] => Array.isArray(value)
    ? value.map(item => literal(item, inner))
    : Object.entries(value).map(([key, member]) => `${/^[a-z_$][\w$]*$/i.test(key) ? key : literal(key)}: ${literal(member, inner)}`)

  const flat = members('').join(', ')
  if (flat === '') return open + close
  const line = Array.isArray(value) ? `[${flat}]` : `{ ${flat} }`
  if (line.length + indent.length <= WIDTH && !line.includes('\n')) return line

  const inner = `${indent}  `
  return `${open}\n${members(inner).map(member => `${inner}${member},\n`).join('')}${indent}${close}`
}

export interface Token { text: string, kind: 'string' | 'number' | 'keyword' | 'method' | 'key' | 'plain' }

const pattern = /(?<string>'(?:[^'\\]|\\.)*')|(?<key>[\w$]+(?=:))|(?<number>\b\d[\d.]*\b)|(?<keyword>\b(?:await|async|const|null|true|false)\b)|(?<method>\b\w+(?=\())/g

/** Splits code for colouring. */
export function tokensOf(code: string): Token[] {
  const tokens: Token[] = []
  let end = 0
  for (const match of code.matchAll(pattern)) {
    if (match.index > end) tokens.push({ text: code.slice(end, match.index), kind: 'plain' })
    const [kind = 'plain'] = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined) ?? []
    tokens.push({ text: match[0], kind: kind as Token['kind'] })
    end = match.index + match[0].length
  }
  if (end < code.length) tokens.push({ text: code.slice(end), kind: 'plain' })
  return tokens
}
