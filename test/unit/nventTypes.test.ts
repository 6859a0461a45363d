import { describe, expectTypeOf, it } from 'vitest'
import { PostgresStoreAdapter } from '../../src/runtime/core/index'
import type { EventRecord, Store } from '../../src/runtime/core/index'

/* What nvent expects of a store, in its own words: a member it reads has to be there, with its type. */
interface NventEvent {
  id: string
  ts: number
  type: string
  runId: string
  flowName: string
  stepName?: string
  stepId?: string
  attempt?: number
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  data?: any
}

interface NventEntry {
  id: string
  score: number
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  metadata?: any
}

interface NventReadOptions {
  types?: string[]
  after?: string
  before?: string
  from?: number
  to?: number
  limit?: number
  order?: 'asc' | 'desc'
}

interface NventStore {
  stream: {
    append(subject: string, event: Omit<NventEvent, 'id' | 'ts'>): Promise<NventEvent>
    read(subject: string, options?: NventReadOptions): Promise<NventEvent[]>
    subscribe(subject: string, onEvent: (event: NventEvent) => void): Promise<{ id: string, subject: string, unsubscribe(): Promise<void> | void }>
    delete(subject: string): Promise<boolean>
  }
  index: {
    add(key: string, id: string, score: number, metadata?: Record<string, unknown>): Promise<void>
    get(key: string, id: string): Promise<NventEntry | null>
    read(key: string, options?: { offset?: number, limit?: number, filter?: Record<string, unknown> }): Promise<NventEntry[]>
    update(key: string, id: string, patch: Record<string, unknown>): Promise<boolean>
    updateWithRetry(key: string, id: string, patch: Record<string, unknown>, maxRetries?: number): Promise<void>
    increment(key: string, id: string, field: string, by?: number): Promise<number>
    delete(key: string, id: string): Promise<boolean>
  }
  kv: {
    get<T>(key: string): Promise<T | null>
    set(key: string, value: unknown, ttl?: number): Promise<void>
    delete(key: string): Promise<unknown>
    clear(pattern: string): Promise<number>
    increment(key: string, by?: number): Promise<number>
  }
  close(): Promise<void>
}

// Checked by the compiler (`npm run test:types`).
describe('the types of nvent\'s store', () => {
  it('are satisfied', () => {
    expectTypeOf<Store>().toExtend<NventStore>()
    expectTypeOf(PostgresStoreAdapter).instance.toExtend<NventStore>()
  })

  it('have what nvent reads of an event', () => {
    expectTypeOf<EventRecord>().toExtend<NventEvent>()
    expectTypeOf<EventRecord['runId']>().toEqualTypeOf<string>()
    expectTypeOf<EventRecord['flowName']>().toEqualTypeOf<string>()
  })
})
