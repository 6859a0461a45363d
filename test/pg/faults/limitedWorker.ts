import { setTimeout as sleep } from 'node:timers/promises'
import { createStore } from '../../../src/runtime/core/index'
import type { ConsumeOptions } from '../../../src/runtime/core/index'

export interface LimitedPlan {
  url: string
  worker: string
  options: Omit<ConsumeOptions, 'handler' | 'batchHandler' | 'concurrencyKey'>
  /** Handlers of one tenant at the same time. */
  atOnce?: number
  /** How long a handler takes. */
  workMs: number
}

/** One process of a consumer with limits: notes when each call began and ended, outside of its transaction. */
const { url, worker, options, atOnce, workMs } = JSON.parse(process.argv[2]!) as LimitedPlan
const store = createStore({
  connection: url, poolSize: 8,
  logger: { info() {}, warn: message => process.send!({ log: message }), error: message => process.send!({ log: message }) },
})

const consumer = store.consume({
  ...options,
  ...atOnce !== undefined && { concurrencyKey: { limit: atOnce, key: ({ subject }) => subject.split(':')[0] } },
  async handler({ subject, data }) {
    const id = await store.transaction(async (own) => {
      const { rows } = await own.query('insert into calls (subject, n, worker) values ($1, $2, $3) returning id::text', [subject, (data as { n: number }).n, worker])
      return rows[0]!.id as string
    })
    await sleep(workMs)
    await store.transaction(own => own.query('update calls set ended = clock_timestamp() where id = $1::bigint', [id]))
  },
})
process.on('message', () => {
  void consumer.stop().then(() => store.close()).then(() => process.disconnect())
})
await consumer.start()
process.send!({ ready: true })
