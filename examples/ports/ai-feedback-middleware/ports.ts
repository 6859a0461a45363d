/**
 * The ports of ai-feedback-middleware, each a few lines on a store. The factories have the names of its adapter: what
 * composes them passes `{ store }` where it passed `{ pool }`.
 */
import type { Store, TransactionApi } from 'nvent-store-postgres/core'

/** What the ports need of an event. Its other members are kept as they are. */
export interface FeedbackEvent {
  event_id: string
  partition_key: string
  /** When it happened, as ISO 8601. */
  timestamp: string
  action: string
  [member: string]: unknown
}

interface Options {
  store: Store
}

const SUBJECT = 'feedback:'

/** `EventStorePort`: a partition is a stream. */
export function createPostgresEventStore({ store }: Options) {
  const entryOf = (partition: string, events: FeedbackEvent[]) => ({
    subject: SUBJECT + partition,
    events: events.map(event => ({ type: event.action, data: event })),
    // An event with a known id is not appended again.
    eventIds: events.map(event => event.event_id),
  })
  async function* payloads(events: AsyncIterable<{ data?: unknown }>): AsyncGenerator<FeedbackEvent> {
    for await (const { data } of events) yield data as FeedbackEvent
  }
  async function appendBatch(events: FeedbackEvent[], tx?: TransactionApi): Promise<void> {
    const partitions = [...new Set(events.map(event => event.partition_key))]
    await (tx ?? store).stream.appendAll(partitions.map(partition =>
      entryOf(partition, events.filter(event => event.partition_key === partition))))
  }
  return {
    withTransaction: <T>(work: (tx: TransactionApi) => Promise<T>): Promise<T> => store.transaction(work),
    append: (event: FeedbackEvent, tx?: TransactionApi) => appendBatch([event], tx),
    appendBatch,
    readStream: (partition: string, fromVersion = 1) => payloads(store.stream.iterate(SUBJECT + partition, { fromVersion })),
    /** The time is that of the append: the store's clock, not the event's own `timestamp`. */
    readStreamSince: (partition: string, since: string) => payloads(store.stream.iterate(SUBJECT + partition, { from: Date.parse(since) })),
    async* readAll() {
      for await (const { event } of store.stream.readAll({ subjects: [`${SUBJECT}*`] })) yield event.data as FeedbackEvent
    },
    /** Gives the function that ends the subscription. */
    async subscribeAll(handler: (event: FeedbackEvent) => Promise<void>, fromPosition = 'now') {
      const { unsubscribe } = await store.stream.subscribe(`${SUBJECT}*`, event => handler(event.data as FeedbackEvent), { from: fromPosition })
      return unsubscribe
    },
  }
}

/** `ProjectionStorePort`, for states that the framework computes: an entry of the index for each name and key. */
export function createPostgresProjectionStore({ store }: Options) {
  const indexOf = (name: string) => `projections:${name}`
  const checkpointOf = (name: string) => `projections:${name}:checkpoint`
  return {
    async get<State>(name: string, key: string, tx?: TransactionApi): Promise<State | null> {
      const entry = await (tx ?? store).index.get(indexOf(name), key)
      return entry ? entry.metadata?.state as State : null
    },
    put: (name: string, key: string, state: unknown, eventId: string, tx?: TransactionApi) =>
      (tx ?? store).index.add(indexOf(name), key, 0, { state, event: eventId }),
    /** `filter`: members of the state, which have to be equal. */
    async list<State>(name: string, filter: Record<string, string | number | boolean> = {}, limit = 50): Promise<State[]> {
      const fields = Object.entries(filter).map(([field, value]) => [`state.${field}`, value] as const)
      const entries = await store.index.read(indexOf(name), { filter: Object.fromEntries(fields), limit })
      return entries.map(({ metadata }) => metadata?.state as State)
    },
    checkpoint: (name: string) => store.kv.get<string>(checkpointOf(name)),
    setCheckpoint: (name: string, eventId: string) => store.kv.set(checkpointOf(name), eventId),
    async truncate(name: string): Promise<void> {
      for (let page; (page = await store.index.read(indexOf(name), { limit: 1_000 })).length > 0;) {
        await Promise.all(page.map(({ id }) => store.index.delete(indexOf(name), id)))
      }
      await store.kv.delete(checkpointOf(name))
    },
  }
}

/** `OutboxPort`. Nothing picks rows, or marks them: that is what a relay does. */
export function createPostgresOutbox({ store }: Options) {
  return {
    async enqueue(event: FeedbackEvent, topics: string[], tx?: TransactionApi): Promise<void> {
      await (tx ?? store).outbox.enqueue(event, { topics, key: event.partition_key })
    },
    backlogSize: async () => (await store.outbox.stats()).pending,
    async oldestUnpublishedAgeMs(): Promise<number | null> {
      const { oldestAt } = await store.outbox.stats()
      return oldestAt === null ? null : Date.now() - oldestAt
    },
  }
}

interface ScannerOptions extends Options {
  onPublish: (event: FeedbackEvent, topics: string[]) => Promise<void>
  intervalMs?: number
}

/** Any number of replicas may start one: they share the work, without a lock that one of them holds. */
export async function startOutboxScanner({ store, onPublish, intervalMs = 1_000 }: ScannerOptions): Promise<() => Promise<void>> {
  const relay = store.outbox.relay({ pollInterval: intervalMs, publish: ({ data, topics }) => onPublish(data as FeedbackEvent, topics) })
  await relay.start()
  return () => relay.stop()
}

/** `DedupeStorePort` has `seen` and `mark`; the store's also claims a key, and does work once. */
export const createPostgresDedupeStore = ({ store }: Options) => store.dedupe

export interface InferenceRule {
  rule_id: string
  /** Fields of the event that have to be equal, such as `action`, `task_type`, `producer`. */
  applies_when: Record<string, string>
  threshold: number
  window_ms: number
  result_if_met: string
  /** Default: `observe`. */
  result_if_unmet?: string
  active: boolean
  notes?: string
}

/** `InferenceRulesPort`. The first rule that applies to an event decides, by how many such events are in its window. */
export function createPostgresInferenceRulesStore({ store }: Options) {
  return {
    async upsert(rule: InferenceRule): Promise<void> {
      if ('task_type_prefix' in rule.applies_when) throw new Error('task_type_prefix: rules compare fields with whole values; give the event a field for the prefix')
      const when = Object.fromEntries(Object.entries(rule.applies_when).map(([field, value]) => [`data.${field}`, value]))
      await store.rules.upsert({
        id: rule.rule_id, when, threshold: rule.threshold, windowMs: rule.window_ms, active: rule.active,
        // Whichever way it decides, the answer is in the rule.
        result: rule, otherwise: rule,
      })
    },
    list: async () => (await store.rules.list()).filter(({ active }) => active).map(({ result }) => result as InferenceRule),
    async remove(ruleId: string): Promise<void> {
      await store.rules.remove(ruleId)
    },
    /** What the rules say about an event that has been appended. */
    async infer(event: FeedbackEvent, tx?: TransactionApi): Promise<string> {
      const outcome = await (tx ?? store).rules.evaluate({ subject: SUBJECT + event.partition_key, type: event.action, data: event })
      const rule = outcome?.result as InferenceRule | undefined
      return (outcome?.reached ? rule?.result_if_met : rule?.result_if_unmet) ?? 'observe'
    },
  }
}
