import { createStore, isStoreError } from '../../../src/runtime/core/index'
import type { Count } from './inlineCounters'
import { counters } from './inlineCounters'

export interface InlinePlan {
  url: string
  worker: number
  subjects: string[]
}

/** Appends until it is killed, in every way there is, and tells the ids of what was confirmed. */
async function work({ url, worker, subjects }: InlinePlan): Promise<void> {
  const store = createStore({ connection: url, poolSize: 6, logger: { info() {}, warn() {}, error() {} } })
  const projections = [1, 2].flatMap(version => counters(version)).map(options => store.project<Count>(options))
  // Those of the second version take over while others append and are killed.
  for (const projection of projections) if (projection.version === 1 || worker > 2) void projection.start().catch(() => {})
  await store.ready()
  process.send!({ ready: true })
  const event = () => ({ type: 'counted', data: { amount: 1 + Math.floor(Math.random() * 9) } })
  const any = () => subjects[Math.floor(Math.random() * subjects.length)]!
  const calls = [
    async () => [await store.stream.append(any(), event())],
    async () => store.stream.appendMany(any(), [event(), event()]),
    async () => (await store.stream.appendAll([...new Set([any(), any()])].map(subject => ({ subject, events: [event()] })))).flat(),
    async () => store.transaction(async tx => [await tx.stream.append(any(), event()), await tx.stream.append(any(), event())]),
  ]
  await Promise.all(Array.from({ length: 16 }, async (_, at) => {
    for (let n = at; ; n++) {
      try {
        const records = await calls[n % 8 < 5 ? 0 : n % 8 - 4]!()
        process.send!({ ids: records.map(({ id }) => id) })
      }
      catch (error) {
        if (!isStoreError(error) || !error.retryable) process.send!({ failed: String(error) })
      }
    }
  }))
}

await work(JSON.parse(process.argv[2]!) as InlinePlan)
