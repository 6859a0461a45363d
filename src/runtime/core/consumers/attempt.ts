import { StoreError, isStoreError, messageOf } from '../shared/errors'
import { unref } from '../shared/timer'

/** What a handler threw, apart from what the database refused around it. */
export class HandlerFailure extends Error {
  constructor(override readonly cause: unknown) {
    super(messageOf(cause))
  }
}

interface Attempt {
  /** Milliseconds; 0: without limit. */
  timeoutMs: number
  /** Each of them ends the attempt. */
  signals: AbortSignal[]
}

/**
 * Runs a handler once. One that is out of time goes on by itself, as nothing can end it; its transaction is rolled back.
 * @throws {HandlerFailure} when it throws or runs out of time
 */
export async function attempt<T>(run: (signal: AbortSignal) => T | Promise<T>, { timeoutMs, signals }: Attempt): Promise<T> {
  const own = new AbortController()
  const signal = AbortSignal.any([own.signal, ...signals])
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    if (timeoutMs === 0) return
    timer = setTimeout(() => own.abort(new HandlerFailure(new StoreError('TIMEOUT', `the handler has not returned within ${timeoutMs} ms`))), timeoutMs)
    unref(timer)
  })
  // Rejects unheard when the handler was first.
  late.catch(() => undefined)
  try {
    signal.throwIfAborted()
    return await Promise.race([(async () => run(signal))(), late])
  }
  catch (error) {
    // A store that closes is no failure of the event.
    if (error instanceof HandlerFailure || signal.aborted || (isStoreError(error) && error.code === 'CLOSED')) throw error
    throw new HandlerFailure(error)
  }
  finally {
    clearTimeout(timer)
  }
}

const OF_DATABASE = new Set(['CONNECTION', 'CLOSED'])

/** The database is away, or was closed: no fault of an event. */
export const isOfDatabase = (error: unknown): boolean => isStoreError(error) && (OF_DATABASE.has(error.code) || error.retryable)

const MAX_MESSAGE = 2_000
const MAX_STACK = 4_000
// A search for secrets takes quadratic time at worst.
const MAX_SEARCHED = 20_000
// A password in a URL, the value of a member or header with a telling name, a token.
const SECRETS = [
  /(:\/\/[^\s:/@]*:)\S+(?=@)/g,
  /((?:password|passwd|pwd|secret|token|api[-_]?key|authorization)["']?\s*[:=]\s*)(?:"[^"]*"|'[^']*'|(?:(?:bearer|basic)\s+)?[^\s,;&"']+)/gi,
  /(\bbearer\s+)[\w.~+/=-]+/gi,
]

const withoutSecrets = (text: string): string => SECRETS.reduce((text, secret) => text.replace(secret, '$1***'), text.slice(0, MAX_SEARCHED))

/** What is kept of an error: without the secrets that URLs hold, and not without end. */
export function describeError(error: unknown): string {
  const cause = error instanceof HandlerFailure ? error.cause : error
  const { name, stack } = cause instanceof Error ? cause : { name: typeof cause, stack: undefined }
  const plain = (text: string, most: number) => withoutSecrets(text).replaceAll('\0', '').toWellFormed().slice(0, most)
  return JSON.stringify({
    name, message: plain(messageOf(cause), MAX_MESSAGE),
    ...isStoreError(cause) && { code: cause.code },
    ...stack !== undefined && { stack: plain(stack, MAX_STACK) },
  })
}
