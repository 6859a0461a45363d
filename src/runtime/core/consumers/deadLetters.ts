import type { TierScope } from '../batch/tierScope'
import type { Row } from '../db/types'
import { checkCount, checkName, checkOptions, checkPosition, checkWord } from '../shared/checks'
import { StoreError } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import { DEFAULT_PAGE, readTextCursor, writeTextCursor } from '../sql/cursor'
import { deadLettersOf, purgeLetters, readDeadLetter, readDeadLetters, requeueSubject } from './deadLettersSql'
import { DEAD_LETTER_LIST_OPTIONS, PURGE_OPTIONS } from './types'
import type { DeadLetter, DeadLettersApi } from './types'

/** The events that consumers have given up. */
export function createDeadLetters({ context, use }: Pick<TierScope, 'context' | 'use'>): DeadLettersApi {
  async function get(id: string): Promise<DeadLetter | null> {
    const { rows: [row] } = await use(session => session.query(readDeadLetter(context, checkPosition('id', id))))
    return row ? toDeadLetter(row) : null
  }

  return {
    get,
    async list(given) {
      const { consumer, subject, state, cursor, limit = DEFAULT_PAGE } = checkOptions('options', given, DEAD_LETTER_LIST_OPTIONS)
      const filter = {
        consumer: consumer === undefined ? null : checkName('options.consumer', consumer),
        subject: subject === undefined ? null : checkName('options.subject', subject),
        state: state === undefined ? null : checkWord('options.state', state, ['parked', 'skipped']),
        after: cursor === undefined || cursor === null ? '0' : checkPosition('options.cursor', readTextCursor(cursor)),
        limit: checkCount('options.limit', limit),
      }
      const { rows } = await use(session => session.query(readDeadLetters(context, filter)))
      const letters = rows.map(toDeadLetter)
      return { letters, cursor: letters.length === limit && limit > 0 ? writeTextCursor(letters.at(-1)!.id) : null }
    },
    async requeue(id) {
      const letter = await get(id)
      if (!letter) return false
      if (letter.state === 'skipped') {
        throw new StoreError('INVALID_CALL', `dead letter ${id} was skipped: the later events of ${JSON.stringify(letter.subject)} were handled without it, so it can't go back into their order; handle \`letter.event\` and purge() it`, { details: { id, subject: letter.subject } })
      }
      return use(session => session.atomic(async (transaction) => {
        const { count } = await transaction.query(deadLettersOf(context, letter.consumer, letter.subject))
        await transaction.query(requeueSubject(context, letter.consumer, letter.subject))
        return count > 0
      }))
    },
    async purge(given) {
      const { consumer, id } = checkOptions('options', given, PURGE_OPTIONS)
      const { count } = await use(session => session.query(purgeLetters(context, {
        consumer: consumer === undefined ? null : checkName('options.consumer', consumer),
        id: id === undefined ? null : checkPosition('options.id', id),
      })))
      return count
    },
  }
}

const toDeadLetter = (row: Row): DeadLetter => ({
  id: String(row.id),
  consumer: row.consumer as string,
  subject: row.subject as string,
  event: JSON.parse(row.event as string) as EventRecord,
  attempts: Number(row.attempts),
  error: JSON.parse(row.error as string) as DeadLetter['error'],
  state: row.state as DeadLetter['state'],
  deadAt: Number(row.dead_at),
})
