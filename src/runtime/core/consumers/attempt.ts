import { setMaxListeners } from 'node:events'
import { StoreError, isStoreError, messageOf } from '../shared/errors'
import { unref } from '../shared/timer'
import type { Losses } from '../transaction/losses'

/** What a handler threw, apart from what the database refused around it. */
export class HandlerFailure extends Error {
  constructor(override readonly cause: unknown) {
    super(textOf(() => messageOf(cause)))
  }
}

/** A handler, or what goes before it, was cut off, and nothing was written for its events: they wait in their shard. */
export class CutOff extends Error {
  constructor(override readonly cause: unknown) {
    super(messageOf(cause))
  }
}

export interface Attempt {
  /** Aborts when nothing new may begin: what the closing store refuses then is no failure of the event. */
  stopping?: AbortSignal | undefined
  /** Whether a connection of the store has failed since a moment, which is no failure of the event either. */
  isLoss?: Losses['isLoss']
  /** Milliseconds; 0: without limit. */
  timeoutMs: number
  /** Each of them ends the attempt. */
  signals: AbortSignal[]
}

/** Whether an attempt goes on, for the calls it is made of. */
export interface Going {
  /** To make a signal takes longer than many a handler, and few ask. */
  signal(): AbortSignal
  /** @throws why the attempt has ended: no further call of it may begin */
  throwIfEnded(): void
}

/**
 * Runs a handler once. One that is out of time goes on by itself, as nothing can end it; its transaction is rolled back.
 * @throws {HandlerFailure} when it throws or runs out of time
 */
export async function attempt<T>(run: (going: Going) => T | Promise<T>, { timeoutMs, signals, stopping, isLoss }: Attempt): Promise<T> {
  const since = performance.now()
  const ending = createEnding()
  const onAbort = ({ target }: Event) => ending.end((target as AbortSignal).reason)
  for (const signal of signals) {
    if (signal.aborted) ending.end(signal.reason)
    else signal.addEventListener('abort', onAbort)
  }
  const timer = timeoutMs === 0 ? undefined : setTimeout(() => ending.end(new HandlerFailure(new StoreError('TIMEOUT', `the handler has not returned within ${timeoutMs} ms`))), timeoutMs)
  if (timer) unref(timer)
  try {
    ending.throwIfEnded()
    return await Promise.race([(async () => run(ending))(), ending.ended])
  }
  catch (error) {
    // What ends the attempt is no failure of the event, unless it is the time.
    ending.throwIfEnded()
    if (isOwn(error) && ((stopping?.aborted && error.code === 'CLOSED') || isLoss?.(error, since))) throw error
    throw new HandlerFailure(error)
  }
  finally {
    clearTimeout(timer)
    for (const signal of signals) signal.removeEventListener('abort', onAbort)
  }
}

/** A signal that ends any number of attempts at once. */
export function createKill(): AbortController {
  const kill = new AbortController()
  setMaxListeners(0, kill.signal)
  return kill
}

/** The end of an attempt before the handler returns. */
function createEnding() {
  let reason: { error: unknown } | undefined
  let own: AbortController | undefined
  let refuse = (_: unknown) => {}
  const ended = new Promise<never>((_, reject) => (refuse = reject))
  // Rejects unheard when the handler throws by itself at that moment.
  ended.catch(() => undefined)
  return {
    ended,
    end(error: unknown) {
      if (reason) return
      reason = { error }
      own?.abort(error)
      refuse(error)
    },
    throwIfEnded() {
      if (reason) throw reason.error
    },
    signal() {
      own ??= new AbortController()
      if (reason) own.abort(reason.error)
      return own.signal
    },
  }
}

const OF_DATABASE = new Set(['CONNECTION', 'CLOSED'])

/** The database is away, or was closed: no fault of an event. */
export const isOfDatabase = (error: unknown): boolean => isCutOff(error) || (isOwn(error) && (OF_DATABASE.has(error.code) || error.retryable))

/** What an error is where nothing can have been written. */
export const cutOff = (error: unknown): Error => isOfDatabase(error) ? new CutOff(error) : error as Error

const MAX_MESSAGE = 2_000
const MAX_STACK = 4_000
// A search for secrets takes quadratic time at worst.
const MAX_SEARCHED = 20_000
// A password or a token in a URL, the rest of a line with a cookie, the value of a member or header with a telling name
// (also in JSON within JSON), a private key, and tokens that tell by themselves what they are.
const SECRETS = [
  /(:\/\/[^\s:/@]*:)\S{1,500}(?=@)/g,
  /(:\/\/)[^\s:/@]+(?=@)/g,
  /(\b(?:set-)?cookie\\*["'`]?\s*[:=])[^\n]+/gi,
  /((?:pass(?:word|wd|phrase|code)|(?<![a-z])pass|[?&]key|pwd|secret|token|credentials?|(?:api|access|private|secret|signing|encryption)[-_ ]?key|authorization|x-auth|signature|\bsig)(?:[-_](?:access|api)?[-_]?(?:key|id|token|hash|value)|key|s)?\\*["'`]?(?:\s*(?:=>|[:=])\s*|%3d))(?:\\+"[^"\n]*|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|\[[^\]]*\]|(?:(?:bearer|basic|token|digest|negotiate)\s+)?[^\s,;&"'`]+)/gi,
  /(\bbearer\s+)[\w.~+/=-]+/gi,
  /(-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]+/g,
  /\b(eyJ|[rs]k[-_]|gh[a-z]_|github_pat_|xox[a-z]-|AKIA)[\w-]{12,}(?:\.[\w-]+)*/g,
]

const withoutSecrets = (text: string): string => SECRETS.reduce((text, secret) => text.replace(secret, '$1***'), text.slice(0, MAX_SEARCHED))

/** What is kept of an error: without the secrets that URLs hold, and not without end. */
export function describeError(error: unknown): string {
  const cause = error instanceof HandlerFailure ? error.cause : error
  const stack = read(cause, 'stack')
  return JSON.stringify({
    name: plain(textOf(() => read(cause, 'name') ?? typeof cause), MAX_MESSAGE),
    message: plain(textOf(() => messageOf(cause)), MAX_MESSAGE),
    ...isOwn(cause) && { code: cause.code },
    ...stack !== undefined && { stack: plain(textOf(() => stack), MAX_STACK) },
  })
}

/** What JSON of the database can hold: neither NUL nor half a character. */
const plain = (text: string, most: number): string => withoutSecrets(text.replaceAll('\0', '')).slice(0, most).toWellFormed()

/** Anything can be thrown: it may refuse to be read, or not be convertible to a string. */
function attempted<T>(part: () => T): T | undefined {
  try {
    return part()
  }
  catch {
    return undefined
  }
}

const textOf = (part: () => unknown): string => attempted(() => String(part())) ?? 'a value that can\'t be read'

const read = (cause: unknown, member: 'name' | 'stack'): unknown => attempted(() => cause instanceof Error ? cause[member] : undefined)

const isCutOff = (error: unknown): boolean => attempted(() => error instanceof CutOff) ?? false

const isOwn = (cause: unknown): cause is StoreError => attempted(() => isStoreError(cause)) ?? false
