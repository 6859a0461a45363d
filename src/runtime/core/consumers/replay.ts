import type { Session } from '../db/types'
import { checkCount } from '../shared/checks'
import { StoreError } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import { hasTopics } from '../shared/topics'
import { CutOff, HandlerFailure, describeError, isOfDatabase } from './attempt'
import { callHandler, createCalls } from './callHandler'
import { countAttempt, settleLetter } from './deadLettersSql'
import type { DeadLetter, DeadLetterPreview, PreviewOptions } from './deadLetterTypes'
import { editEvent } from './editEvent'
import { toFailed } from './results'
import type { ConsumerSettings } from './settings'
import { countChanges } from './tableChanges'
import type { WorkerParts } from './worker'

const PREVIEWED = 100
const PAGE = 100

interface ReplayOptions extends Pick<WorkerParts, 'context' | 'use' | 'within' | 'read' | 'watch' | 'handlers' | 'isLoss'> {
  /** Of a consumer that this process has. */
  settingsOf(consumer: string): ConsumerSettings | undefined
}

/** Calls handlers for dead letters, beside the work of the consumers. */
export interface Replay {
  /**
   * Handles an event that was skipped. False when the letter is gone meanwhile.
   * @throws what the handler throws; the letter stays
   */
  handle(letter: DeadLetter, replacement: EventRecord | undefined): Promise<boolean>
  /** `isPassedOver`: its event is not handled, only those behind it. */
  preview(letter: DeadLetter, options: PreviewOptions, isPassedOver: boolean): Promise<DeadLetterPreview>
}

/** Rolls back what was done for a preview. */
class Previewed extends Error {
  constructor(readonly result: DeadLetterPreview) {
    super('nothing of a preview is kept')
  }
}

/** Finds what the commit would refuse. Deferred constraints are deferred again behind it, as each event has a commit of its own. */
async function checkConstraints(session: Session): Promise<void> {
  for (const text of ['savepoint nvent_preview', 'set constraints all immediate', 'rollback to savepoint nvent_preview']) await session.query({ text, values: [] })
}

/** The letter was handled, or deleted, by another call. */
class Gone extends Error {}

export function createReplay({ context, use, within, read, watch, handlers, isLoss, settingsOf }: ReplayOptions): Replay {
  function settingsFor(call: string, { consumer }: DeadLetter): ConsumerSettings {
    const settings = settingsOf(consumer)
    if (!settings) throw new StoreError('INVALID_CALL', `${call} needs the handler of consumer ${JSON.stringify(consumer)}: call it in a process that has called store.consume({ name: ${JSON.stringify(consumer)}, … })`, { details: { consumer } })
    return settings
  }

  /** The event of a letter and those that wait behind it: as many, and one more where there are more. */
  async function waitingOf({ subject, event, state }: DeadLetter, first: EventRecord[], { types = [], topics }: ConsumerSettings, limit: number): Promise<EventRecord[]> {
    const events = [...first]
    for (let after = event.id; state === 'parked' && events.length <= limit;) {
      const page = await read(subject, { after, limit: PAGE, types })
      events.push(...page.filter(event => !topics || hasTopics(event, topics)))
      if (page.length < PAGE) break
      after = page.at(-1)!.id
    }
    return events
  }

  return {
    async handle(letter, replacement) {
      const { id, subject, event } = letter
      const settings = settingsFor('requeue() out of order', letter)
      const run = createCalls({ context, use, within, watch, handlers, isLoss, settings, stopping: new AbortController().signal, killed: new AbortController().signal })
      try {
        await run([{ subject, event: replacement ?? event }], [], letter.attempts + 1, ([result]) => {
          const failed = toFailed(result)
          if (failed) throw failed.error
          return async (session) => {
            const { count } = await session.query(settleLetter(context, { id, replacement: replacement === undefined ? null : JSON.stringify(replacement) }))
            if (count === 0) throw new Gone()
          }
        })
        return true
      }
      catch (error) {
        if (error instanceof Gone) return false
        if (!(error instanceof HandlerFailure)) throw error instanceof CutOff ? error.cause : error
        await use(session => session.query(countAttempt(context, { id, error: describeError(error) })))
        throw error.cause
      }
    },

    async preview(letter, { event: edited, limit = PREVIEWED }, isPassedOver) {
      const most = checkCount('options.limit', limit)
      const settings = settingsFor('preview()', letter)
      if (settings.transaction === 'none') throw new StoreError('INVALID_CALL', `preview() can't undo what consumer ${JSON.stringify(letter.consumer)} does: it has transaction: 'none'`, { details: { consumer: letter.consumer } })
      const first = edited === undefined ? { ...letter.event, ...letter.replacement } : editEvent(letter, edited)
      const events = await waitingOf(letter, isPassedOver ? [] : [first], settings, most)
      try {
        return await within('preview', async (tx, session): Promise<never> => {
          const changesOf = await countChanges(session)
          const result: DeadLetterPreview = { handled: 0, changes: await changesOf(), failed: null, more: events.length > most }
          for (const event of events.slice(0, most)) {
            try {
              const [failed] = await callHandler(settings, [{ subject: letter.subject, event }], { tx, session, attempt: 1, preview: true }, [])
              const undone = toFailed(failed)
              if (undone) throw undone.error
              await checkConstraints(session)
              result.changes = await changesOf()
              result.handled++
            }
            catch (error) {
              if (isOfDatabase(error)) throw error
              result.failed = { event, error: JSON.parse(describeError(error)) as DeadLetter['error'] }
              break
            }
          }
          throw new Previewed(result)
        })
      }
      catch (error) {
        if (error instanceof Previewed) return error.result
        throw error
      }
    },
  }
}
