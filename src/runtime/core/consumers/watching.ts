/** What is counted of the work for one consumer in this process. */
export interface ConsumerCounts {
  /** Events whose handler went well. */
  handled: number
  /** Attempts at one event that failed. */
  failed: number
  /** Subjects that were parked because an event of theirs failed. */
  parked: number
  /** Events that became dead letters. */
  deadLetters: number
  /** Times that work was refused, because another process had taken its shard. */
  fenced: number
}

/** What a process holds of a consumer at the moment. */
export interface ConsumerGauge {
  /** Shards that this process holds. */
  shards: number
  /** Ids between the newest event it knows of and the lowest position of its shards; null while it holds none. */
  lag: number | null
}

/** An attempt at an event that has failed. */
export interface FailedAttempt {
  consumer: string
  subject: string
  eventId: string
  /** How many there were, with this one. */
  attempts: number
  error: unknown
}

/** Counts, traces and logs what consumers do. */
export interface ConsumerWatch {
  count(consumer: string, counted: keyof ConsumerCounts, by?: number): void
  failed(attempt: FailedAttempt): void
  /** An event has become a dead letter by an attempt; called after the commit. */
  buried(attempt: FailedAttempt): void
  /** Runs one call of a handler. */
  handler<T>(call: { consumer: string, transaction: boolean }, run: () => Promise<T>): Promise<T>
  /** A relay has called `publish`. */
  relayed(topics: string[], outcome: 'published' | 'failed'): void
}
