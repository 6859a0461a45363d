import { checkText } from '../shared/checks'
import { invalidValue } from '../shared/errors'

/** Default number of items on a page. */
export const DEFAULT_PAGE = 50

// A subject of 1,024 bytes, as JSON in base64url.
const MAX_TEXT_CURSOR_BYTES = 10_000

/** Cursor into a list that is sorted by a string. Opaque to callers. */
export function writeTextCursor(text: string): string {
  return Buffer.from(JSON.stringify([text])).toString('base64url')
}

export function readTextCursor(cursor: unknown): string {
  const text = Buffer.from(checkText('options.cursor', cursor, MAX_TEXT_CURSOR_BYTES), 'base64url').toString()
  const match = /^\[("(?:[^"\\]|\\.)*")\]$/s.exec(text)
  if (!match || !isJson(match[1]!)) throw invalidValue('options.cursor', 'is not a cursor returned by list()')
  return JSON.parse(match[1]!) as string
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  }
  catch {
    return false
  }
}
