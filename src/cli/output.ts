import { UsageError } from './usage'
import { createConsola } from 'consola'
import type { ConsolaInstance } from 'consola'

/** Results go to stdout and messages to stderr, so that programs can read the results. */
export interface Output {
  json: boolean
  /** Prints the result: one JSON document with `--json`, else lines of text. */
  result(data: unknown, lines: string[]): void
  /** Prints one of many results as soon as it is available: a line of JSON, or of text. */
  item(data: unknown, line: string): void
  /** Messages that are not part of the result. */
  log: ConsolaInstance
}

export const log = createConsola({ stdout: process.stderr, stderr: process.stderr })
// Escaped before the reporters add colours: a message may quote data of users.
log.options.reporters = log.options.reporters.map(reporter => ({
  log: (entry, context) => reporter.log({ ...entry, args: entry.args.map((arg: unknown) => typeof arg === 'string' ? visibleLines(arg) : arg) }, context),
}))

export function createOutput(json: boolean): Output {
  // Also correct for JSON: control characters occur in its strings only, where the escape has the same meaning.
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
 * Asks for confirmation on the terminal.
 * @throws {UsageError} without a terminal, or with `--json`
 */
export async function isConfirmed({ json, log }: Output, command: string, question: string): Promise<boolean> {
  if (json || !process.stdin.isTTY) throw new UsageError(`${command} deletes data and can't ask for confirmation here: add --yes`)
  return await log.prompt(question, { type: 'confirm', initial: false }) === true
}

// Characters that a terminal interprets instead of showing them: C0 and C1 controls, and marks of text direction.
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/g
const IN_LINES = new Set(['\n', '\t'])

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`

/** Escapes control characters in data of users, so that the terminal shows them and does not interpret them. */
export const visible = (text: string): string => text.replace(CONTROLS, escaped)

/** The same, but keeps line feeds and tabs. */
export const visibleLines = (text: string): string =>
  text.replace(CONTROLS, character => IN_LINES.has(character) ? character : escaped(character))
