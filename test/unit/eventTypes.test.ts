import { describe, expect, expectTypeOf, it } from 'vitest'
import { versionOf } from '../../src/runtime/core/index'
import type { AppendEntry, EventMeta, EventRecord, IterateOptions, Store, StreamHead, TransactionOptions } from '../../src/runtime/core/index'

type Stream = Store['stream']
type Options = NonNullable<Parameters<Stream['append']>[2]>

// Checked by the compiler (`npm run test:types`).
describe('the types of the event log', () => {
  it('take what the calls take, and nothing else', () => {
    expectTypeOf<{ expectedVersion: 'no-stream' }>().toExtend<Options>()
    expectTypeOf<{ expectedVersion: 5, eventId: string, meta: { correlationId: string, free: number } }>().toExtend<Options>()
    expectTypeOf<{ expectedVersion: 'none' }>().not.toExtend<Options>()
    expectTypeOf<{ eventId: number }>().not.toExtend<Options>()
    expectTypeOf<{ meta: { correlationId: number } }>().not.toExtend<Options>()
    expectTypeOf<{ subject: string, events: { data: number }[] }>().not.toExtend<AppendEntry>()
    expectTypeOf<{ isolation: 'serializable', retries: number }>().toExtend<TransactionOptions>()
    expectTypeOf<{ isolation: 'snapshot' }>().not.toExtend<TransactionOptions>()
    expectTypeOf<{ pageSize: number, types: string[], fromVersion: number }>().toExtend<IterateOptions>()
  })

  it('say what comes back', () => {
    expectTypeOf<ReturnType<Stream['append']>>().resolves.toEqualTypeOf<EventRecord>()
    expectTypeOf<ReturnType<Stream['appendAll']>>().resolves.toEqualTypeOf<EventRecord[][]>()
    expectTypeOf<ReturnType<Stream['iterate']>>().toEqualTypeOf<AsyncIterable<EventRecord>>()
    expectTypeOf<ReturnType<Stream['current']>>().resolves.toEqualTypeOf<StreamHead | null>()
    expectTypeOf<EventRecord['meta']>().toEqualTypeOf<EventMeta | undefined>()
    expectTypeOf(versionOf).returns.toEqualTypeOf<number>()
    expectTypeOf<ReturnType<Store['with']>>().not.toHaveProperty('transaction')
    expectTypeOf<ReturnType<Store['with']>['stream']>().not.toHaveProperty('subscribe')
    expect(versionOf).toBeTypeOf('function')
  })
})
