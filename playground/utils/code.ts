import type { Call } from '~/types/desk'

const WIDTH = 66

/** Calls as the code that makes them. */
export function codeOf(calls: Call[]): string {
  const inTransaction = calls.some(({ transaction }) => transaction)
  if (!inTransaction) return calls.map(call => statementOf('await store', call)).join('\n')

  const lines = calls.map(call => `${statementOf('  await tx', call)}\n`)
  return `await store.transaction(async (tx) => {\n${lines.join('')}})`
}

function statementOf(store: string, call: Call): string {
  const line = `${store}.${call.tier}.${call.method}(${argumentsOf(call)})`
  if (line.length <= WIDTH) return line

  const indent = /^ */.exec(store)?.[0] ?? ''
  const args = given(call)
  const broken = args.findLastIndex(arg => typeof arg === 'object')
  const code = args.map((arg, position) => literal(arg, indent, position === broken ? 0 : Infinity)).join(', ')
  return `${store}.${call.tier}.${call.method}(${code})`
}

/** The arguments of a call on one line. */
export const argumentsOf = (call: Call): string => given(call).map(arg => literal(arg, '', Infinity)).join(', ')

const given = ({ args }: Call): unknown[] => args.slice(0, args.findLastIndex(arg => arg !== undefined && arg !== null) + 1)

/** A value as TypeScript, on one line where that takes no more than `width` characters. */
export function literal(value: unknown, indent = '', width = WIDTH): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value !== 'object' || value === null) return String(value)

  const inner = `${indent}  `
  const members = Array.isArray(value)
    ? value.map(item => literal(item, inner, width || WIDTH))
    : Object.entries(value).map(([key, member]) => `${nameOf(key)}: ${literal(member, inner, width || WIDTH)}`)
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  if (members.length === 0) return open + close

  const line = Array.isArray(value) ? `[${members.join(', ')}]` : `{ ${members.join(', ')} }`
  if (indent.length + line.length <= width && !line.includes('\n')) return line
  return `${open}\n${members.map(member => `${inner}${member},\n`).join('')}${indent}${close}`
}

const quoted = (text: string): string => `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll('\'', '\\\'')}'`

const nameOf = (key: string): string => /^[a-z_$][\w$]*$/i.test(key) ? key : quoted(key)

const pattern = /(?<string>'(?:[^'\\]|\\.)*')|(?<key>[\w$]+(?=:))|(?<number>\b\d[\d.]*\b)|(?<keyword>\b(?:await|async|null|true|false)\b)|(?<method>\b\w+(?=\())/g

/** Splits code for colouring; `kind` is the name of the group in the pattern. */
export function tokensOf(code: string): { text: string, kind: string }[] {
  const tokens = []
  let end = 0
  for (const match of code.matchAll(pattern)) {
    if (match.index > end) tokens.push({ text: code.slice(end, match.index), kind: 'plain' })
    const [kind] = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined) ?? ['plain']
    tokens.push({ text: match[0], kind })
    end = match.index + match[0].length
  }
  if (end < code.length) tokens.push({ text: code.slice(end), kind: 'plain' })
  return tokens
}
