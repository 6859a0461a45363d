/** A counter with reactions, and a store from the environment. README.md walks through it. */
import { createStore } from 'nvent-store-postgres/core'
import type { ConsumedEvent, Store } from 'nvent-store-postgres/core'
import { z } from 'zod'

/** A server in production, and an embedded PostgreSQL in memory everywhere else. */
export function storeFrom(env: Record<string, string | undefined>): Store {
  if (env.NODE_ENV !== 'production') return createStore({ connection: 'pglite://memory' })
  return createStore({
    connection: {
      host: env.DB_HOST, port: Number(env.DB_PORT ?? 5432), database: env.DB_NAME, user: env.DB_USER, password: env.DB_PASSWORD,
    },
    schema: 'events',
    prefix: 'act',
  })
}

/** A schema for each tenant. Nothing of one is visible in another. */
export const storeOfTenant = (connection: string, tenant: string): Store => createStore({ connection, schema: `tenant_${tenant}` })

const increment = z.object({ by: z.number().int() })

export const createCounter = (store: Store) => store.aggregate({
  name: 'counter',
  schema: { incremented: z.object({ amount: z.number() }) },
  initial: { count: 0 },
  evolve: (state, event) => ({ count: state.count + event.data.amount }),
  decide(_state, command: z.input<typeof increment>) {
    const { by } = increment.parse(command)
    return { type: 'incremented', data: { amount: by } }
  },
})

/** What reacts to events: its filters and attempts are kept in the database, for workers in any process. */
export const openReactions = (store: Store): Promise<void> =>
  store.leases.open({ consumer: 'reactions', subjects: ['counter:*'], maxAttempts: 3, backoff: { first: 100 } })

/** One round of a worker: claims streams that no other worker has, handles their events, and gives them back. */
export async function react(store: Store, worker: string, handle: (event: ConsumedEvent) => Promise<void>): Promise<number> {
  const leases = await store.leases.claim({ consumer: 'reactions', by: worker, limit: 10, leaseMs: 30_000 })
  for (const lease of leases) {
    try {
      for (const event of lease.events) await handle(event)
      await store.leases.ack(lease)
    }
    catch (error) {
      // Tried again later; after the last attempt the stream is blocked.
      await store.leases.nack(lease, { error })
    }
  }
  return leases.length
}

/** Queries: one stream, or the whole log. */
export const queries = (store: Store) => ({
  latest: (id: string, limit: number) => store.stream.read(`counter:${id}`, { types: ['incremented'], order: 'desc', limit }),
  between: (id: string, after: string, before: string) => store.stream.read(`counter:${id}`, { after, before }),
  created: (id: string, from: number, to: number) => store.stream.read(`counter:${id}`, { from, to }),
  correlated: (correlationId: string) => store.stream.readAll({ correlationId }),
})
