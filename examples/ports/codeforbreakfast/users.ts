/** Users, their events and who follows them. README.md walks through it. */
import type { AppendEntry, Store } from 'nvent-store-postgres/core'
import { z } from 'zod'

/** Any Standard Schema does: zod, valibot, arktype, `Schema.standardSchemaV1` of Effect. */
const userEvents = {
  'user.registered': z.object({ email: z.email() }),
  'user.emailUpdated': z.object({ from: z.email(), to: z.email() }),
}

const subjectOf = (id: string) => `users:${id}`

export function createUsers(store: Store) {
  const stream = store.stream.of(userEvents)
  return {
    /** The beginning of a stream: refused where it has events. */
    register: (id: string, email: string) =>
      stream.append(subjectOf(id), { type: 'user.registered', data: { email } }, { expectedVersion: 'no-stream' }),

    /** At a position: refused with the version that is there when others were quicker. */
    updateEmail: (id: string, from: string, to: string, at: number) =>
      stream.append(subjectOf(id), { type: 'user.emailUpdated', data: { from, to } }, { expectedVersion: at }),

    /** Where a stream ends, to append there. */
    end: async (id: string) => (await store.stream.current(subjectOf(id)))?.version ?? 0,

    read: (id: string, fromVersion = 1) => stream.read(subjectOf(id), { fromVersion }),

    /** What was, then what comes: until the signal aborts, or the loop is left. */
    follow: (id: string, signal: AbortSignal) => store.stream.subscribe(subjectOf(id), { from: 'start', signal }),

    /** Many streams in one transaction, each at its end. */
    async importAll(batches: { id: string, emails: string[] }[]): Promise<number> {
      const entries = await Promise.all(batches.map(async ({ id, emails }): Promise<AppendEntry> => ({
        subject: subjectOf(id),
        events: emails.map(email => ({ type: 'user.registered', data: { email } })),
        expectedVersion: (await store.stream.current(subjectOf(id)))?.version ?? 0,
      })))
      return (await store.stream.appendAll(entries)).flat().length
    },

    /** All events of a stream of any length, a page at a time. */
    async count(id: string): Promise<number> {
      let events = 0
      for await (const _ of store.stream.iterate(subjectOf(id), { pageSize: 500 })) events++
      return events
    },
  }
}

/** In order, each event once: what the handler writes through `tx` is committed together with its position. */
export const trackUsers = (store: Store) => store.consume({
  name: 'users-tracker',
  subjects: ['users:*'],
  handler: (_event, { tx }) => tx.kv.increment('users:events'),
})

/** The address of each user, in a state and a checkpoint that are one. */
export const projectEmails = (store: Store) => store.project({
  name: 'emails',
  subjects: ['users:*'],
  key: event => event.subject.slice('users:'.length),
  handle: (_state, { type, data }) => ({ email: String(type === 'user.registered' ? data.email : data.to) }),
})

/** Work that is tried again while the database is away. */
export async function resilient<T>(work: () => Promise<T>, times = 3): Promise<T> {
  for (let left = times; ; left--) {
    try {
      return await work()
    }
    catch (error) {
      if (left === 0 || !(error as { retryable?: boolean }).retryable) throw error
    }
  }
}

/** Lost and restored connections; gives the function that ends the watch. */
export function watchConnection(store: Store, log: (line: string) => void): () => void {
  const ends = [
    store.admin.on('connection:lost', ({ error }) => log(`lost: ${error.code}`)),
    store.admin.on('connection:restored', ({ downMs }) => log(`restored after ${downMs} ms`)),
  ]
  return () => ends.forEach(end => end())
}

/** For a health route and a dashboard. */
export async function monitor(store: Store) {
  const { status, timestamp, error } = await store.admin.health()
  return { status, timestamp: new Date(timestamp).toISOString(), error: error?.message, eventsWritten: store.admin.metrics().eventsWritten }
}
