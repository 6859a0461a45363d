import { checkName, checkNumber, checkText } from '../shared/checks'
import { isGlob } from '../shared/glob'
import { likeOf } from '../sql/like'
import { checkTypes } from '../stream/read/range'
import type { MeantLetters } from './deadLettersSql'
import type { DeadLetterFilter } from './deadLetterTypes'

export const ALL_LETTERS: MeantLetters = {
  id: null, consumer: null, subject: null, pattern: null, types: null, since: null, until: null, error: null, states: null, olderThanMs: null,
}

/** @throws {StoreError} INVALID_VALUE that names the option */
export function readLetterFilter({ consumer, subject, types, since, until, error }: DeadLetterFilter): MeantLetters {
  const glob = subject === undefined ? undefined : checkName('options.subject', subject)
  const isPattern = glob !== undefined && isGlob(glob)
  return {
    ...ALL_LETTERS,
    consumer: consumer === undefined ? null : checkName('options.consumer', consumer),
    subject: glob === undefined || isPattern ? null : glob,
    pattern: isPattern ? likeOf(glob).pattern : null,
    types: checkTypes('options.types', types) ?? null,
    since: since === undefined ? null : checkNumber('options.since', since),
    until: until === undefined ? null : checkNumber('options.until', until),
    error: error === undefined ? null : checkText('options.error', error),
  }
}
