import { setTimeout as sleep } from 'node:timers/promises'
import { isEndedByOthers } from '../../db/errors'
import type { Session, StreamTables } from '../../db/types'
import { createBackoff } from '../../shared/backoff'
import { isStoreError } from '../../shared/errors'
import type { EventRecord } from '../../shared/event'
import type { Appending } from './appendRows'
import { isFenceMoved } from './fence'
import type { AppendInput } from './input'

// Each attempt fails only because of another transaction.
const MAX_ATTEMPTS = 10
const PAUSES = { first: 2, max: 100, jitter: [0.5, 1.5] as [number, number] }

export interface AppendedEvent {
  subject: string
  event: EventRecord
}

/** What has to run in the transaction of an append, as long as the fence stands where it does. */
export interface Hooked {
  /** Compared by every statement that appends. */
  readonly fence: string
  /** Whether something may have to run for these events. */
  concerns(inputs: readonly AppendInput[], session: Session): boolean
  /** Runs it for the events of one append, in the order of their ids. */
  run(events: AppendedEvent[], session: Session, tables: StreamTables): Promise<void>
}

/** The streams know no more about it than this. */
export interface AppendHook {
  /** What this process knows, or finds out on the session. */
  known(session: Session): Hooked | Promise<Hooked>
  /** What this process knows is out of date. */
  forget(): void
}

type Append<R> = (on: Appending) => Promise<R>

/**
 * Appends, and runs in the same transaction what has to. When nothing has to, the append is as it is without a hook.
 * Inside a transaction of the caller's, a failure takes back this append and leaves the transaction as it was before.
 */
export async function appendWith<R>(hook: AppendHook, given: Pick<Appending, 'context' | 'session' | 'tables'>, inputs: readonly AppendInput[], append: Append<R>): Promise<R> {
  const { session, tables } = given
  let backoff: ReturnType<typeof createBackoff> | undefined
  for (let attempt = 1; ; attempt++) {
    let isHooked = false
    try {
      const known = hook.known(session)
      const hooked = known instanceof Promise ? await known : known
      const { fence } = hooked
      isHooked = hooked.concerns(inputs, session)
      if (!isHooked) return await append({ ...given, fence })
      const result = await (session.inTransaction ? inSavepoint : inTransaction)(session, inside => appendAndRun(hooked, { ...given, fence, session: inside }, append))
      if (!session.inTransaction) await tables.afterTransaction()
      return result
    }
    catch (error) {
      // After the loss of a connection the server may be another one.
      if (isFenceMoved(error) || (isStoreError(error) && error.code === 'CONNECTION')) hook.forget()
      const isRetried = isFenceMoved(error) || (isHooked && isEndedByOthers(error))
      if (!isRetried || session.inTransaction || attempt === MAX_ATTEMPTS) throw error
      await sleep((backoff ??= createBackoff(PAUSES)).next())
    }
  }
}

async function appendAndRun<R>(hooked: Hooked, on: Appending, append: Append<R>): Promise<R> {
  const events: AppendedEvent[] = []
  const result = await append({ ...on, onNew: (subject, event) => void events.push({ subject, event }) })
  if (events.length > 0) await hooked.run(events.sort((a, b) => compareIds(a.event.id, b.event.id)), on.session, on.tables)
  return result
}

const inTransaction = <R>(session: Session, work: (inside: Session) => Promise<R>): Promise<R> => session.atomic(work)

async function inSavepoint<R>(session: Session, work: (inside: Session) => Promise<R>): Promise<R> {
  await session.script('savepoint nvent_append')
  try {
    const result = await work(session)
    await session.script('release savepoint nvent_append')
    return result
  }
  catch (error) {
    // Where this fails as well, the connection is gone, and the transaction with it.
    await session.script('rollback to savepoint nvent_append; release savepoint nvent_append').catch(() => undefined)
    throw error
  }
}

const compareIds = (a: string, b: string): number => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
