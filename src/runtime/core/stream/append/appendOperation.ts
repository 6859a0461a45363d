import type { Operation } from '../../batch/operation'
import type { EventRecord } from '../../shared/event'
import type { StreamScope } from '../streamScope'
import { ANY } from './expectation'
import type { AppendInput } from './input'
import { appendLocked, appendToSubject } from './locked'
import type { Appending } from './appendRows'
import { appendRows } from './appendRows'
import { appendWith } from './appendHook'

/** Appends one event, alone or combined with other appends. */
export function appendOperation({ context, appended, hook }: StreamScope): Operation<AppendInput, EventRecord> {
  return {
    async one(session, tables, input) {
      const { route: { subject }, expectation } = input
      const [record] = await appendWith(hook, { context, session, tables }, [input], async on => needsLock(on, input)
        ? (await appendLocked(on, [{ subject, expectation, inputs: [input] }]))[0]!
        : appendToSubject(on, [input]))
      appended?.(subject)
      return record!
    },
    async many(session, tables, groups) {
      const inputs = groups.flatMap(({ calls }) => calls.map(({ input }) => input))
      const records = await appendWith(hook, { context, session, tables }, inputs, on => appendRows(on, inputs))
      let at = 0
      return groups.map(({ calls, folded }) => {
        const own = records.slice(at, at += calls.length)
        appended?.(folded.route.subject)
        // Sent alone, the call finds out what the stream contains instead.
        return own.includes(undefined) ? undefined : own as EventRecord[]
      })
    },
    // Every event gets a row of its own; events of one subject are sent in order. An expectation of the second append is
    // only met after the first one has been carried out.
    fold: (first, second) => second.expectation === ANY ? first : undefined,
  }
}

/** In a transaction, a duplicate id would abort the whole transaction: the stream is locked first, then searched for the id. */
export const needsLock = ({ session }: Pick<Appending, 'session'>, input: AppendInput) => input.eventId !== undefined && session.inTransaction
