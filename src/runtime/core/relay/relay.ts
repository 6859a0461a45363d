import type { Use } from '../batch/operation'
import type { ConsumerParts } from '../consumers/consumer'
import type { ConsumerSettings } from '../consumers/settings'
import { checkConsumer } from '../consumers/settings'
import { readConsumer } from '../consumers/sql'
import type { Consumer, ConsumedEvent, ConsumerContext } from '../consumers/types'
import { dueAt, outboxSubjects } from '../outbox/enqueue'
import type { OutboxWriter } from '../outbox/types'
import { checkFunction, checkMilliseconds, checkName, checkOptions, checkWord } from '../shared/checks'
import { messageOf } from '../shared/errors'
import { topicsOf } from '../shared/topics'
import type { TopicCondition } from '../shared/topics'
import { subjectPrefixOf } from '../tables/route'
import type { StatementContext } from '../sql/template'
import type { Select } from '../tables/select'
import { countPending, deletePublished, describeRelay, readRelays } from './sql'
import type { KnownRelay } from './sql'
import { OUTBOX_STATS_OPTIONS, RELAY_OPTIONS } from './types'
import type { OutboxApi, OutboxMessage, OutboxStats, RelayOptions } from './types'

const NAME = 'outbox'
const CONCURRENCY = 10
// Messages with a delay wait as parked subjects.
const MOST_WAITING = 10_000
const CLEAN_MS = 5_000
const CLEAN_STEP = 1_000

interface RelayParts {
  parts: ConsumerParts
  select: Select
  subjectPrefix: string
  writer: OutboxWriter
  register(settings: ConsumerSettings): Consumer
}

/** The outbox is read by a consumer of the log: what holds for consumers holds for relays. */
export function createOutbox({ parts, select, subjectPrefix, writer, register }: RelayParts): OutboxApi {
  const subjects = outboxSubjects(subjectPrefix)
  // Those of this process: the last one of each name.
  const own = new Map<string, Beginning>()

  function toMessage(event: ConsumedEvent): OutboxMessage {
    const { id, type, data, ts, subject, meta = {} } = event
    const key = subject.startsWith(subjects.keyed) ? subject.slice(subjects.keyed.length) : subject.startsWith(subjects.single) ? null : subject
    const { topics: _, ...rest } = meta
    return { id, type, data: data as unknown, topics: topicsOf(event), key, ts, meta: rest }
  }

  function settingsOf(given: RelayOptions): ConsumerSettings {
    const { publish, keepMs: keep = 0, name = NAME, concurrency = CONCURRENCY, onExhausted = 'park', ...options } = checkOptions<Partial<RelayOptions>>('options', given, RELAY_OPTIONS)
    checkFunction('options.publish', publish)
    checkWord('options.onExhausted', onExhausted, ['park', 'skip', 'block'])
    const handler = async (event: ConsumedEvent, { attempt, signal }: ConsumerContext) => {
      const message = toMessage(event)
      let outcome: 'published' | 'failed' = 'failed'
      try {
        await publish!(message, { attempt, signal })
        outcome = 'published'
      }
      finally {
        parts.watch.relayed(message.topics, outcome)
      }
    }
    const settings = checkConsumer({ ...options, name, concurrency, onExhausted, handler, transaction: 'none', maxParked: MOST_WAITING })
    const keepMs = checkMilliseconds('options.keepMs', keep)
    const topics = sorted(settings.topics ?? { mode: 'any' })
    own.set(name, { topics, from: settings.from })
    const isMessage = (subject: string) => subject.startsWith(subjects.keyed) || subject.startsWith(subjects.single)
    return {
      ...settings, topics,
      dueAt: ({ subject, event }) => isMessage(subject) ? dueAt(event) : 0,
      onRegister: async () => void await parts.call(session => session.query(describeRelay(parts.context, { name, topics, keepMs }))),
      beside: { everyMs: CLEAN_MS, run: stopping => clean(name, stopping) },
    }
  }

  /** Removes what is published, in steps that hold no lock for long. */
  async function clean(name: string, stopping: AbortSignal): Promise<void> {
    const all = `${subjectPrefix}:outbox:`
    try {
      const relays = await knownRelays(parts.context, parts.use)
      const relay = relays.find(each => each.name === name)
      // Removed by an operator.
      if (!relay) return
      const statement = deletePublished(parts.context, {
        relay, others: relays.filter(each => each !== relay), partition: subjectPrefixOf(`${all}x`), all, single: subjects.single, limit: CLEAN_STEP,
      })
      for (let deleted = CLEAN_STEP; deleted === CLEAN_STEP && !stopping.aborted;) {
        const { rows: [row] } = await parts.use(session => session.query<{ deleted: number }>(statement))
        deleted = Number(row!.deleted)
      }
    }
    catch (error) {
      parts.logger.warn(`published messages could not be removed: ${messageOf(error)}`)
    }
  }

  return {
    ...writer,
    relay: given => register(settingsOf(given)),
    async stats(given) {
      const { name = NAME } = checkOptions('options', given, OUTBOX_STATS_OPTIONS)
      return statsOf(parts, select, checkName('options.name', name), own.get(name))
    },
  }
}

/** What a relay of this process publishes, and where it begins when it is new. */
type Beginning = Pick<ConsumerSettings, 'from'> & { topics: TopicCondition }

/** The same topics are the same in any order. */
const sorted = (topics: TopicCondition): TopicCondition => topics.mode === 'any' ? topics : { mode: topics.mode, topics: topics.topics.toSorted() }

async function knownRelays(context: StatementContext, use: Use): Promise<KnownRelay[]> {
  const { rows } = await use(session => session.query<{ name: string, position: string, relay: string }>(readRelays(context)))
  return rows.map(({ name, position, relay }) => ({ ...JSON.parse(relay) as Pick<KnownRelay, 'from' | 'topics' | 'keepMs'>, name, position }))
}

async function statsOf({ context, call }: ConsumerParts, select: Select, consumer: string, own: Beginning = { topics: { mode: 'any' }, from: 'start' }): Promise<OutboxStats> {
  const { rows: [row] } = await call(session => session.query<{ shards: number, parked: number }>(readConsumer(context, consumer)))
  const shards = Number(row?.shards ?? 0) > 0 ? { count: Number(row!.shards) } : undefined
  const stats: OutboxStats = { pending: 0, oldestAt: null, topics: {}, waiting: Number(row?.parked ?? 0) }
  // It begins with what comes.
  if (!shards && own.from === 'now') return stats
  const known = (await knownRelays(context, call)).find(({ name }) => name === consumer)
  const pending = { consumer, shards, topics: (known ?? own).topics, from: own.from === 'start' ? '0' : own.from }
  for (const selection of select()) {
    const { rows } = await call(session => session.query<{ topic: string | null, events: number, oldest: number | null }>(countPending(context, selection, pending)))
    for (const { topic, events, oldest } of rows) {
      if (topic !== null) {
        stats.topics[topic] = (stats.topics[topic] ?? 0) + Number(events)
        continue
      }
      stats.pending += Number(events)
      if (oldest !== null) stats.oldestAt = Math.min(stats.oldestAt ?? Infinity, Number(oldest))
    }
  }
  return stats
}
