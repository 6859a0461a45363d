import { setTimeout as sleep } from 'node:timers/promises'
import { createStore } from '../../../src/runtime/core/index'
import type { ConsumeOptions } from '../../../src/runtime/core/index'
import { NOTE_EFFECT } from './effects'

export interface ConsumerPlan {
  url: string
  worker: string
  options: Omit<ConsumeOptions, 'handler' | 'batchHandler'>
  /** Of a thousand attempts so many throw. */
  failures: number
}

/** One process of a consumer: notes every event in a table, through the transaction where there is one. */
const { url, worker, options, failures } = JSON.parse(process.argv[2]!) as ConsumerPlan
const store = createStore({
  connection: url, poolSize: 6,
  logger: { info() {}, warn: message => process.send!({ log: message }), error: message => process.send!({ log: message }) },
})
const isTransactional = options.transaction !== 'none'

const consumer = store.consume({
  ...options,
  async handler({ subject, data }, { tx }) {
    const values = [subject, (data as { n: number }).n, worker]
    // Before the failure: what it has written must not be kept.
    if (isTransactional) await tx.query(NOTE_EFFECT, values)
    // At work for most of the time, whenever it is killed.
    await sleep(3)
    if (Math.random() * 1_000 < failures) throw new Error('now and then')
    if (!isTransactional) await store.transaction(own => own.query(NOTE_EFFECT, values))
  },
})
process.on('message', () => {
  void consumer.stop().then(() => store.close()).then(() => process.disconnect())
})
await consumer.start()
process.send!({ ready: true })
