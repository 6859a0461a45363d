import { setTimeout as sleep } from 'node:timers/promises'
import { checkArray, checkCount, checkMilliseconds, checkName, checkNumber, checkOptions, checkPosition, checkText } from '../shared/checks'
import { createBackoff } from '../shared/backoff'
import { StoreError } from '../shared/errors'
import type { Logger } from '../shared/types'
import { READ_ALL_OPTIONS } from './types'
import type { GlobalEvent, HighWaterMark, ReadAllOptions } from './types'
import type { GlobalReader } from './reader'
import { checkTypes } from '../stream/read/range'
import { createHistory } from './history'

const PAGE = 1_000
const SETTLE_TIMEOUT_MS = 30_000
const FIRST_LOOK_MS = 1
const MAX_LOOK_MS = 50

/**
 * Reads what was committed when it started, in global order, page by page. When a server without some of these events
 * takes over meanwhile, it goes back to the last event that both servers have and continues from there.
 */
export async function* readAll(reader: GlobalReader, given: ReadAllOptions | undefined, logger: Logger): AsyncGenerator<GlobalEvent> {
  const { after, limit = Infinity, settleTimeout, ...filter } = checked(given)
  if (limit === 0) return
  let mark = await reader.mark()
  let { head } = mark
  let position = after
  let left = limit
  const history = createHistory(reader, mark.history)

  /** Whether to read again after `position`: the answer came from another server than the high-water mark. */
  async function isOvertaken(now: HighWaterMark): Promise<boolean> {
    if (now.history === mark.history) return false
    const parting = await history.check(now, position)
    mark = now
    if (parting?.isChanged) {
      logger.warn(`the database has gone back to event ${parting.shared} during readAll: it continues from there, some events may be read twice`)
      position = parting.shared > after ? parting.shared : after
    }
    if (parting?.isChanged || now.head < head) head = now.head
    return true
  }

  reading: for (;;) {
    const upTo = mark.safePosition < head ? mark.safePosition : head
    const page = Math.min(PAGE, left)
    for await (const events of reader.pages({ ...filter, after: position, upTo, page })) {
      if (await isOvertaken(await reader.mark())) continue reading
      for (const event of events) {
        yield event
        if (--left === 0) return
        history.saw(event)
        position = BigInt(event.event.id)
      }
    }
    if (upTo > position) position = upTo
    if (position >= head) return
    const now = await settledBehind(reader, mark, position, settleTimeout)
    if (!await isOvertaken(now)) mark = now
  }
}

/** Waits until the order is settled beyond `position`, or until another server answers than the one `last` came from. */
async function settledBehind(reader: GlobalReader, last: HighWaterMark, position: bigint, timeout: number): Promise<HighWaterMark> {
  const deadline = performance.now() + timeout
  for (const backoff = createBackoff({ first: FIRST_LOOK_MS, max: MAX_LOOK_MS }); ;) {
    const mark = await reader.mark()
    if (mark.safePosition > position || mark.history !== last.history) return mark
    if (performance.now() > deadline) {
      throw new StoreError(
        'TIMEOUT',
        `a transaction that appends has been open for more than ${timeout} ms, and the order of events after position ${position} is not settled before it ends: end it, or continue later with \`after\``,
        { retryable: true, details: { position: String(position), head: String(mark.head) } },
      )
    }
    await sleep(backoff.next())
  }
}

function checked(given?: ReadAllOptions) {
  const { after, subjects, types, correlationId, since, limit, settleTimeout } = checkOptions('options', given, READ_ALL_OPTIONS)
  return {
    after: after === undefined ? BigInt(0) : BigInt(checkPosition('options.after', after)),
    subjects: subjects === undefined ? undefined : checkArray('options.subjects', subjects).map((each, at) => checkName(`options.subjects.${at}`, each)),
    types: checkTypes('options.types', types),
    correlationId: correlationId === undefined ? undefined : checkText('options.correlationId', correlationId),
    since: since === undefined ? undefined : String(Math.ceil(checkNumber('options.since', since))),
    limit: limit === undefined ? undefined : checkCount('options.limit', limit),
    settleTimeout: settleTimeout === undefined ? SETTLE_TIMEOUT_MS : checkMilliseconds('options.settleTimeout', settleTimeout),
  }
}
