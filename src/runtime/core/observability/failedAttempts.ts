import { describeError } from '../consumers/attempt'
import type { FailedAttempt } from '../consumers/watching'
import type { Logger } from '../shared/types'
import { createBoundedLog } from './boundedLog'
import type { Emit } from './storeEvents'
import type { StoreEvents } from './types'

const MAX_LINE = 500

export interface FailedAttempts {
  failed(attempt: FailedAttempt): void
  buried(attempt: FailedAttempt): void
  end(): void
}

/** Tells of the attempts of consumers that fail: in the log, and those that end in a dead letter as events as well. */
export function createFailedAttempts(logger: Logger, emit: Emit): FailedAttempts {
  const debug = logger.debug?.bind(logger)
  const attempts = createBoundedLog(debug ?? (line => logger.warn(line)), (consumer, more) => `consumer ${consumer}: ${more} further attempts failed within a minute`)
  const letters = createBoundedLog(line => logger.warn(line), (consumer, more) => `consumer ${consumer}: ${more} further dead letters within a minute, see store.deadLetters`)

  return {
    failed(attempt) {
      // Without `debug` the first one of an event has to be enough.
      if (debug || attempt.attempts === 1) attempts.write(attempt.consumer, () => lineOf(attempt, `attempt ${attempt.attempts} has failed at`, toError(attempt)))
    },
    buried(attempt) {
      const error = toError(attempt)
      letters.write(attempt.consumer, () => lineOf(attempt, `dead letter after attempt ${attempt.attempts} at`, error))
      const { consumer, subject, eventId, attempts } = attempt
      emit('deadLetter', { consumer, subject, eventId, attempts, error })
    },
    end() {
      attempts.end()
      letters.end()
    },
  }
}

type DeadLetterError = StoreEvents['deadLetter']['error']

/** As it is kept with the letter, without the stack. */
function toError({ error }: FailedAttempt): DeadLetterError {
  const { name, message, code } = JSON.parse(describeError(error)) as DeadLetterError
  return { name, message, ...code !== undefined && { code } }
}

// One line, whatever is in the message.
const lineOf = ({ consumer, subject, eventId }: FailedAttempt, what: string, { name, message }: DeadLetterError): string =>
  `consumer ${consumer}: ${what} event ${eventId} of ${JSON.stringify(subject)}: ${`${name}: ${message}`.replace(/\s+/g, ' ').slice(0, MAX_LINE)}`
