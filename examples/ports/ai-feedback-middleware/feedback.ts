/** Feedback on drafts: what the framework composes of its ports, on a store. README.md walks through it. */
import type { Store } from 'nvent-store-postgres/core'
import {
  createPostgresDedupeStore, createPostgresEventStore, createPostgresInferenceRulesStore, createPostgresOutbox, createPostgresProjectionStore,
} from './ports'
import type { FeedbackEvent } from './ports'

const DAY = 86_400_000

/** The state of a draft. */
export interface Draft {
  reactions: number
  inference: string
}

export function createFeedback(store: Store) {
  const eventStore = createPostgresEventStore({ store })
  const projectionStore = createPostgresProjectionStore({ store })
  const outbox = createPostgresOutbox({ store })
  const inferenceRules = createPostgresInferenceRulesStore({ store })
  const dedupeStore = createPostgresDedupeStore({ store })

  /** Keeps an event, what follows from it, and its message to the bus: all of it, or nothing. Null: it is known already. */
  const capture = (event: FeedbackEvent, topics: string[]): Promise<Draft | null> => eventStore.withTransaction(async (tx) => {
    if (!await tx.dedupe.claim(`capture:${event.event_id}`, DAY)) return null
    // From here on other events of the partition wait: its stream is locked until the transaction ends.
    await eventStore.append(event, tx)
    const inference = await inferenceRules.infer(event, tx)
    const before = await projectionStore.get<Draft>('drafts', event.partition_key, tx)
    const draft = { reactions: (before?.reactions ?? 0) + 1, inference }
    await projectionStore.put('drafts', event.partition_key, draft, event.event_id, tx)
    await outbox.enqueue(event, topics, tx)
    return draft
  })

  return { eventStore, projectionStore, outbox, inferenceRules, dedupeStore, capture }
}
