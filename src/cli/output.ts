import { UsageError } from './usage'
import { createConsola } from 'consola'
import type { ConsolaInstance } from 'consola'

/** Results go to stdout, all else to stderr: what a program reads is never mixed with what a person is told. */
export interface Output {
  json: boolean
  /** The result: one JSON document for programs, lines of text for people. */
  result(data: unknown, lines: string[]): void
  /** One of many results, as it comes: a line of JSON, or of text. */
  item(data: unknown, line: string): void
  /** Beside the result. */
  log: ConsolaInstance
}

export const log = createConsola({ stdout: process.stderr, stderr: process.stderr })
// A message may quote what users have written. The colours come later, from the reporters themselves.
log.options.reporters = log.options.reporters.map(reporter => ({
  log: (entry, context) => reporter.log({ ...entry, args: entry.args.map((arg: unknown) => typeof arg === 'string' ? visibleLines(arg) : arg) }, context),
}))

export function createOutput(json: boolean): Output {
  // In JSON text these are in strings only, where the escape means the same.
  const write = (text: string) => process.stdout.write(`${visibleLines(text)}\n`)
  return {
    json,
    log,
    result(data, lines) {
      if (json) write(JSON.stringify(data, null, 2))
      else lines.forEach(write)
    },
    item(data, line) {
      write(json ? JSON.stringify(data) : line)
    },
  }
}

/** Rows as columns of text, each as wide as its widest entry. */
export function columns(rows: string[][]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map(row => row[at]!.length)))
  return rows.map(row => row.map((text, at) => text.padEnd(widths[at]!)).join('  ').trimEnd())
}

/**
 * Whether a person says yes.
 * @throws {UsageError} where nobody can be asked
 */
export async function isMeant({ json, log }: Output, command: string, question: string): Promise<boolean> {
  if (json || !process.stdin.isTTY) throw new UsageError(`${command} deletes data and nobody can be asked here: add --yes`)
  return await log.prompt(question, { type: 'confirm', initial: false }) === true
}

// What a terminal obeys instead of showing it: C0 and C1 controls, and marks that turn the direction of text around.
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/g
const IN_LINES = new Set(['\n', '\t'])

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Data of users in a line of text: whatever it holds, it is shown and not obeyed. */
export const visible = (text: string): string => text.replace(CONTROLS, escaped)

/** The same for text that may have lines and columns. */
export const visibleLines = (text: string): string =>
  text.replace(CONTROLS, character => IN_LINES.has(character) ? character : escaped(character))
