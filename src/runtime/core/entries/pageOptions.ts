import { checkCount, checkNumber, checkRecord, checkText, checkWord } from '../shared/checks'
import { invalidValue } from '../shared/errors'
import { DEFAULT_PAGE } from '../sql/cursor'
import type { IndexSpec } from '../tables/types'
import { readFilter } from './filter'
import type { PageRange } from './page'
import type { IndexPageOptions } from './types'

const MAX_CURSOR_BYTES = 200

export function pageRange(spec: IndexSpec, options: IndexPageOptions): PageRange {
  const { cursor, limit = DEFAULT_PAGE, order = 'desc', min, max, filter } = options
  return {
    order: checkWord('options.order', order, ['asc', 'desc']),
    limit: checkCount('options.limit', limit),
    min: min === undefined ? undefined : checkNumber('options.min', min),
    max: max === undefined ? undefined : checkNumber('options.max', max),
    after: cursor === undefined || cursor === null ? undefined : readCursor(cursor),
    conditions: readFilter(spec, checkRecord('options.filter', filter)),
  }
}

/** Cursor at an entry, in the order of its index. Opaque to callers. */
export function writeCursor(score: number, seq: string): string {
  return Buffer.from(JSON.stringify([score, seq])).toString('base64url')
}

function readCursor(cursor: unknown): { score: number, seq: string } {
  const text = Buffer.from(checkText('options.cursor', cursor, MAX_CURSOR_BYTES), 'base64url').toString()
  const match = /^\[(-?\d[\d.e+-]*),"(\d{1,19})"\]$/.exec(text)
  const score = Number(match?.[1])
  if (!match || !Number.isFinite(score)) throw invalidValue('options.cursor', 'is not a cursor returned by readPage()')
  return { score, seq: match[2]! }
}
