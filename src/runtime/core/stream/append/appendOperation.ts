import type { Operation } from '../../batch/operation'
import type { EventRecord } from '../../shared/event'
import type { StreamScope } from '../streamScope'
import { ANY } from './expectation'
import type { AppendInput } from './input'
import { appendLocked, appendToSubject } from './locked'
import type { Appending } from './appendRows'
import { appendRows } from './appendRows'

/** An append of one event, alone and in batches. */
export function appendOperation({ context, appended }: StreamScope): Operation<AppendInput, EventRecord> {
  return {
    async one(session, tables, input) {
      const on = { context, session, tables }
      const { route: { subject }, expectation } = input
      const [record] = needsLock(on, input)
        ? (await appendLocked(on, [{ subject, expectation, inputs: [input] }]))[0]!
        : await appendToSubject(on, [input])
      appended?.(subject)
      return record!
    },
    async many(session, tables, groups) {
      const records = await appendRows({ context, session, tables }, groups.flatMap(({ calls }) => calls.map(({ input }) => input)))
      let at = 0
      return groups.map(({ calls, folded }) => {
        const own = records.slice(at, at += calls.length)
        appended?.(folded.route.subject)
        // Sent alone, it is told what is there instead.
        return own.includes(undefined) ? undefined : own as EventRecord[]
      })
    },
    // Every event gets a row of its own; those of one subject go out in order. What the second one expects is only
    // there when the first one is.
    fold: (first, second) => second.expectation === ANY ? first : undefined,
  }
}

/** In a transaction an id that is taken would end all of it: the stream is locked first, and then looked into. */
export const needsLock = ({ session }: Appending, input: AppendInput) => input.eventId !== undefined && session.inTransaction
