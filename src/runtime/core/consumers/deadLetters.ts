import type { TierScope } from '../batch/tierScope'
import type { Row, Session } from '../db/types'
import { checkBoolean, checkCount, checkName, checkOptions, checkPosition, checkWord } from '../shared/checks'
import { StoreError } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { DEFAULT_PAGE, readTextCursor, writeTextCursor } from '../sql/cursor'
import { ALL_LETTERS, readLetterFilter } from './deadLetterFilter'
import { expireLetters, findEvent, purgeLetters, readDeadLetters, releaseLetters } from './deadLettersSql'
import type { MeantLetters, ReleasedRow } from './deadLettersSql'
import { DEAD_LETTER_LIST_OPTIONS, PREVIEW_OPTIONS, PURGE_OPTIONS, REQUEUE_OPTIONS, REQUEUE_RANGE_OPTIONS } from './deadLetterTypes'
import type { DeadLetter, DeadLettersApi } from './deadLetterTypes'
import { editEvent } from './editEvent'
import type { Replay } from './replay'

// Letters of one transaction.
const STEP = 500
const DROPPED = 'null'

interface DeadLettersOptions extends Pick<TierScope, 'context' | 'use'> {
  replay: Replay
}

/** The events that consumers have given up. */
export function createDeadLetters({ context, use, replay }: DeadLettersOptions): DeadLettersApi {
  const query = <R extends Row>(statement: Statement) => use(session => session.query<R>(statement))

  async function get(id: string): Promise<DeadLetter | null> {
    const { rows: [row] } = await query(readDeadLetters(context, { ...ALL_LETTERS, id: checkPosition('id', id), after: '0', limit: 1 }))
    return row ? toDeadLetter(row) : null
  }

  /**
   * Whether the event of a parked letter is not in the log any more: those behind it go on without it.
   * @throws {StoreError} INVALID_CALL when another one is to take its place
   */
  async function isPassedOver({ id, state, event }: DeadLetter, edited: unknown): Promise<boolean> {
    if (state !== 'parked' || (await query(findEvent(context, event.id))).count > 0) return false
    if (edited === undefined) return true
    throw new StoreError('INVALID_CALL', `the event of dead letter ${id} was dismissed or deleted since, and is not handled any more, nor is one in its place: requeue() it without another event, or discard() it, to let the later events of its subject go on`, { details: { id, event: event.id } })
  }

  /** In steps, each a transaction of its own. A letter that comes back meanwhile is behind them. */
  async function release(meant: MeantLetters, replacement: string | null, limit = Infinity): Promise<number> {
    let released = 0
    for (let after = '0'; released < limit;) {
      const most = Math.min(STEP, limit - released)
      const { rows: [row] } = await query<ReleasedRow>(releaseLetters(context, { ...meant, after, limit: most }, replacement))
      const { count, last } = row!
      released += count
      if (count < most) return released
      after = last!
    }
    return released
  }

  const releaseOne = async (meant: Partial<MeantLetters>, replacement: string | null) =>
    await release({ ...ALL_LETTERS, ...meant }, replacement, 1) > 0

  return {
    get,
    async preview(id, given) {
      const options = checkOptions('options', given, PREVIEW_OPTIONS)
      const letter = await get(id) ?? missing(id)
      return replay.preview(letter, options, await isPassedOver(letter, options.event))
    },

    async list(given) {
      const { state, cursor, limit = DEFAULT_PAGE, ...filter } = checkOptions('options', given, DEAD_LETTER_LIST_OPTIONS)
      const { rows } = await query(readDeadLetters(context, {
        ...readLetterFilter(filter),
        states: state === undefined ? null : [checkWord('options.state', state, ['parked', 'skipped', 'edited'])],
        after: cursor === undefined || cursor === null ? '0' : checkPosition('options.cursor', readTextCursor(cursor)),
        limit: checkCount('options.limit', limit),
      }))
      const letters = rows.map(toDeadLetter)
      return { letters, cursor: letters.length === limit && limit > 0 ? writeTextCursor(letters.at(-1)!.id) : null }
    },

    async requeue(id, given) {
      const { event, outOfOrder = false } = checkOptions('options', given, REQUEUE_OPTIONS)
      checkBoolean('options.outOfOrder', outOfOrder)
      const letter = await get(id)
      if (!letter || letter.state === 'edited') return false
      const replacement = event === undefined ? undefined : editEvent(letter, event)
      if (letter.state === 'parked') {
        await isPassedOver(letter, event)
        return releaseOne({ id: letter.id }, replacement === undefined ? null : JSON.stringify(replacement))
      }
      if (!outOfOrder) {
        throw new StoreError('INVALID_CALL', `dead letter ${id} was skipped: the later events of ${JSON.stringify(letter.subject)} were handled without it, so it can't go back into their order; give { outOfOrder: true } to handle it now, or purge() it`, { details: { id, subject: letter.subject } })
      }
      return replay.handle(letter, replacement)
    },

    requeueSubject: async (consumer, subject) =>
      releaseOne({ consumer: checkName('consumer', consumer), subject: checkName('subject', subject) }, null),

    async requeueRange(given) {
      const { limit, ...filter } = checkOptions('options', given, REQUEUE_RANGE_OPTIONS)
      return release(readLetterFilter(filter), null, limit === undefined ? undefined : checkCount('options.limit', limit))
    },

    discard: async id => releaseOne({ id: checkPosition('id', id) }, DROPPED),

    async purge(given) {
      const { id, state, olderThanMs, ...filter } = checkOptions('options', given, PURGE_OPTIONS)
      const meant: MeantLetters = {
        ...readLetterFilter(filter),
        id: id === undefined ? null : checkPosition('options.id', id),
        states: state === undefined ? null : [checkWord('options.state', state, ['skipped', 'edited'])],
        olderThanMs: olderThanMs === undefined ? null : checkCount('options.olderThanMs', olderThanMs),
      }
      if (id !== undefined && (await get(id))?.state === 'parked') {
        throw new StoreError('INVALID_CALL', `dead letter ${id} can't be purged: the later events of its subject wait behind it; requeue() it, or discard() it to let them go on without it`, { details: { id } })
      }
      let purged = 0
      for (let count = STEP; count === STEP; purged += count) ({ count } = await query(purgeLetters(context, { ...meant, after: '0', limit: STEP })))
      return purged
    },
  }
}

/** A step that removes letters of a certain age; undefined where they are kept. */
export function letterExpiry(context: StatementContext, maxAgeMs: number) {
  if (maxAgeMs === 0) return undefined
  return async (session: Session, limit: number): Promise<number> => (await session.query(expireLetters(context, { maxAgeMs, limit }))).count
}

function missing(id: string): never {
  throw new StoreError('NOT_FOUND', `there is no dead letter ${id}: list() gives those that there are`, { details: { id } })
}

const toDeadLetter = (row: Row): DeadLetter => ({
  id: String(row.id),
  consumer: row.consumer as string,
  subject: row.subject as string,
  event: JSON.parse(row.event as string) as EventRecord,
  ...row.replacement !== null && { replacement: JSON.parse(row.replacement as string) as EventRecord },
  attempts: Number(row.attempts),
  error: JSON.parse(row.error as string) as DeadLetter['error'],
  state: row.state as DeadLetter['state'],
  deadAt: Number(row.dead_at),
})
