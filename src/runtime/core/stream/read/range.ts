import { checkArray, checkCount, checkNumber, checkPosition, checkText, checkWord } from '../../shared/checks'
import type { ReadRange } from './sql'
import type { StreamReadOptions } from '../types'

// The largest double below the maximum of a bigint.
const LAST_TIME = 2 ** 63 - 1024

/** The options of `read`, checked. */
export function readRange(options: StreamReadOptions): ReadRange {
  const { types, after, before, fromVersion, toVersion, from, to, limit, order = 'asc' } = options
  return {
    order: checkWord('options.order', order, ['asc', 'desc']),
    types: checkTypes('options.types', types),
    after: after === undefined ? undefined : afterStart(checkPosition('options.after', after)),
    before: before === undefined ? undefined : checkPosition('options.before', before),
    fromVersion: fromVersion === undefined ? undefined : checkCount('options.fromVersion', fromVersion),
    toVersion: toVersion === undefined ? undefined : checkCount('options.toVersion', toVersion),
    from: from === undefined ? undefined : milliseconds(Math.ceil(checkNumber('options.from', from))),
    to: to === undefined ? undefined : milliseconds(Math.floor(checkNumber('options.to', to))),
    limit: limit === undefined ? undefined : checkCount('options.limit', limit),
  }
}

/** Event types to filter by; undefined for an empty array, which does not filter. */
export function checkTypes(argument: string, types: unknown): string[] | undefined {
  if (types === undefined) return undefined
  const checked = checkArray(argument, types).map((type, at) => checkText(`${argument}.${at}`, type))
  return checked.length > 0 ? checked : undefined
}

/** Every event is after 0, so that is no bound. */
const afterStart = (position: string) => position === '0' ? undefined : position

/** Clamps times to the range of a bigint. */
function milliseconds(time: number): string {
  return BigInt(Math.min(Math.max(time, -LAST_TIME), LAST_TIME)).toString()
}
