import { isEndedByOthers } from '../db/errors'
import type { Session, StreamTables } from '../db/types'
import type { TierScope } from '../batch/tierScope'
import { StoreError, isStoreError, messageOf } from '../shared/errors'
import { isInside, runInside } from '../shared/inside'
import type { StatementContext } from '../sql/template'
import type { AppendHook, AppendedEvent, Hooked } from '../stream/append/appendHook'
import { movedOn } from '../stream/append/fence'
import { copyRecord } from '../tables/eventCodec'
import type { TransactionApi } from '../transaction/types'
import type { InlineFilter, InlineMatcher } from './inlineFilter'
import { inlineMatcher } from './inlineFilter'
import { loadInline } from './inlineSql'
import type { InlineRow } from './inlineSql'
import type { ProjectionSettings } from './projectionSettings'
import { createStates } from './states'

// The states of so many events are read and written at once.
const STEP = 5_000

interface InlineParts {
  context: StatementContext
  use: TierScope['use']
  /** Runs code of the caller's in the transaction that a session has open. */
  join<T>(session: Session, tables: StreamTables, work: (tx: TransactionApi) => Promise<T>): Promise<T>
}

/** One that serves, as the database knows it. */
interface Serving extends InlineMatcher {
  name: string
  version: number
  build: string
}

/** The inline projections of one store: what runs in the transactions of its appends. */
export interface Inline {
  hook: AppendHook
  /** Makes the code of one known to this process. */
  define(settings: ProjectionSettings): void
}

export function createInline({ context, use, join }: InlineParts): Inline {
  const codes = new Map<string, ProjectionSettings>()
  // Marks handlers: the states that one is given are written when it has returned.
  const handlers = {}
  let known: Hooked | undefined
  let loading: Promise<Hooked> | undefined

  async function load(session: Session): Promise<Hooked> {
    const rows = await loadInline(session, context)
    // The fence is newer than the snapshot of such a transaction, and what was read with it is not.
    if (rows[0]!.isolation !== 'read committed') {
      void loadOutside(use).catch(() => undefined)
      throw movedOn()
    }
    return known = hooked(rows)
  }

  const loadOutside = (on: TierScope['use']): Promise<Hooked> =>
    loading ??= on(load).finally(() => loading = undefined)

  function hooked(rows: InlineRow[]): Hooked {
    const serving = rows.filter(({ name }) => name !== null).map(({ name, version, build, filter }): Serving =>
      ({ name: name!, version: Number(version), build, ...inlineMatcher(JSON.parse(filter) as InlineFilter) }))
    return {
      fence: rows[0]!.fence,
      concerns(inputs, { inTransaction }) {
        if (serving.length === 0) return false
        const first = inputs.find(({ route: { subject }, type }) => serving.some(({ mayWant }) => mayWant(subject, type)))
        if (first && inTransaction && isInside(handlers)) throw new StoreError('INVALID_CALL', `the handler of an inline projection can't append to ${JSON.stringify(first.route.subject)}, whose events belong to an inline projection as well: append in sideEffects, or in a consumer`)
        return first !== undefined
      },
      async run(events, session, tables) {
        for (const each of serving) {
          const own = events.filter(({ subject, event }) => each.wants(subject, event))
          if (own.length > 0) await project(each, own, session, tables)
        }
      },
    }
  }

  /** @throws {StoreError} PROJECTION_MISSING, PROJECTION_FAILED */
  async function project({ name, version, build }: Serving, appended: AppendedEvent[], session: Session, tables: StreamTables): Promise<void> {
    const details = { projection: name, version, subject: appended[0]!.subject }
    const settings = codes.get(codeKey(name, version))
    if (!settings) throw new StoreError('PROJECTION_MISSING', `nothing was appended to ${JSON.stringify(details.subject)}: its events belong to version ${version} of the inline projection ${JSON.stringify(name)}, whose code this process does not have; call store.project() with it in every process that appends`, { details })
    const states = createStates(context, markFailures(settings), { name, build }, true)
    try {
      await join(session, tables, tx => runInside(handlers, async () => {
        for (let at = 0; at < appended.length; at += STEP) {
          const events = appended.slice(at, at + STEP).map(({ subject, event }) => copyRecord(event, { subject }))
          // A controller for each: a worker refuses one that is made while its modules load.
          const write = await states(events, { tx, attempt: 1, signal: new AbortController().signal }, session)
          await write()
        }
      }))
    }
    catch (error) {
      const cause: unknown = error instanceof HandlerFailure ? error.cause : error
      // Whatever else fails is no fault of the handler, and its own deadlocks are not either.
      if (isEndedByOthers(cause) || (cause === error && !(isStoreError(cause) && cause.code === 'INVALID_VALUE'))) throw cause
      throw new StoreError('PROJECTION_FAILED', `nothing was appended, since version ${version} of the inline projection ${JSON.stringify(name)} has failed: ${messageOf(cause)}`, { details, cause, retryable: isStoreError(cause) && cause.retryable })
    }
  }

  return {
    define: settings => void codes.set(codeKey(settings.name, settings.version), settings),
    hook: {
      known: session => known ?? (session.inTransaction ? load(session) : loadOutside(work => work(session, undefined as never))),
      forget() {
        known = undefined
      },
    },
  }
}

/** What code of the caller's has thrown. */
class HandlerFailure extends Error {
  constructor(cause: unknown) {
    super('', { cause })
  }
}

function markFailures(settings: ProjectionSettings): ProjectionSettings {
  const fail = (error: unknown): never => {
    throw error instanceof HandlerFailure ? error : new HandlerFailure(error)
  }
  const marked = <Given extends unknown[], R>(call: (...given: Given) => R) => (...given: Given): R => {
    try {
      const result = call(...given)
      return result instanceof Promise ? result.catch(fail) as R : result
    }
    catch (error) {
      return fail(error)
    }
  }
  const { keyOf, initial, handle, handleBatch } = settings
  return { ...settings, keyOf: marked(keyOf), initial: marked(initial), handle: handle && marked(handle), handleBatch: handleBatch && marked(handleBatch) }
}

const codeKey = (name: string, version: number): string => `${version} ${name}`
