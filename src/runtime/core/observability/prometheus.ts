import type { ConsumerCounts } from '../consumers/watching'
import type { OperationMetrics, StoreMetrics } from './types'

type Labels = Record<string, string>
type Sample = [labels: Labels, value: number]

/** The `content-type` of `prometheusText`. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Metrics in the text format of Prometheus, version 0.0.4. Labels are operations, error codes, states, consumers and topics only. */
export function prometheusText(metrics: StoreMetrics): string {
  const operations = Object.entries(metrics.operations)
  const consumers = Object.entries(metrics.consumers)
  const topics = Object.entries(metrics.outbox.topics)
  const { pool, batching, sweep, retention, connection } = metrics
  return [
    histogram('operation_duration_seconds', 'Duration of calls, by operation.', 'operation', operations, metrics.bucketsMs),
    family('operation_errors_total', 'counter', 'Calls that were rejected, by operation and code.',
      operations.flatMap(([operation, { errors }]) => Object.entries(errors).map(([code, count]): Sample => [{ operation, code }, count]))),
    family('operations_active', 'gauge', 'Calls in progress.', operations.map(([operation, { active }]) => [{ operation }, active])),
    single('events_written_total', 'counter', 'Events appended.', metrics.eventsWritten),
    family('pool_connections', 'gauge', 'Connections of the pool.', pool
      ? [[{ state: 'idle' }, pool.idle], [{ state: 'busy' }, pool.total - pool.idle]]
      : []),
    family('pool_connections_max', 'gauge', 'Maximum number of connections of the pool.', pool ? [[{}, pool.max]] : []),
    family('pool_waiting', 'gauge', 'Calls waiting for a connection.', pool ? [[{}, pool.waiting]] : []),
    single('batch_calls_total', 'counter', 'Calls that went through batching.', batching.calls),
    single('batch_statements_total', 'counter', 'Statements that batching has sent.', batching.statements),
    single('subscriptions', 'gauge', 'Open subscriptions.', metrics.subscriptions),
    family('background_runs_total', 'counter', 'Runs of sweep and retention, by outcome.', [
      ...runs('sweep', sweep), ...runs('retention', retention),
    ]),
    single('sweep_removed_total', 'counter', 'Expired keys removed.', sweep.removed),
    family('retention_events_total', 'counter', 'Events removed by retention.', [
      [{ action: 'drop' }, retention.dropped], [{ action: 'archive' }, retention.archived],
    ]),
    ...COUNTED.map(([member, name, help]) => family(name, 'counter', help, consumers.map(([consumer, counts]) => [{ consumer }, counts[member]]))),
    consumers.length === 0 ? '' : histogram('consumer_handler_duration_seconds', 'Duration of calls of handlers, by consumer.', 'consumer', consumers.map(([consumer, { handler }]) => [consumer, handler]), metrics.bucketsMs),
    family('consumer_handlers_active', 'gauge', 'Calls of handlers in progress.', consumers.map(([consumer, { handler }]) => [{ consumer }, handler.active])),
    family('consumer_shards', 'gauge', 'Shards that this process holds.', consumers.map(([consumer, { shards }]) => [{ consumer }, shards])),
    family('consumer_lag', 'gauge', 'Ids between the newest event and the lowest position of the shards that this process holds.',
      consumers.flatMap(([consumer, { lag }]): Sample[] => lag === null ? [] : [[{ consumer }, lag]])),
    family('outbox_messages_total', 'counter', 'Calls of publish, by topic and outcome.', topics.flatMap(([topic, { published, failed }]): Sample[] => [
      [{ topic, outcome: 'published' }, published], [{ topic, outcome: 'failed' }, failed],
    ])),
    single('connection_lost_total', 'counter', 'Times the connection to the database was lost.', connection.lost),
    single('connection_restored_total', 'counter', 'Times the connection to the database was restored.', connection.restored),
    single('slow_calls_total', 'counter', 'Calls that took longer than slowCallMs.', metrics.slowCalls),
    single('conflicts_total', 'counter', 'Writes that lost against a concurrent one.', metrics.conflicts),
  ].join('')
}

function runs(job: string, { runs: all, failures, busy }: StoreMetrics['sweep'] | StoreMetrics['retention']): Sample[] {
  return [[{ job, outcome: 'done' }, all - failures - busy], [{ job, outcome: 'failed' }, failures], [{ job, outcome: 'busy' }, busy]]
}

const COUNTED: [keyof ConsumerCounts, name: string, help: string][] = [
  ['handled', 'consumer_events_handled_total', 'Events whose handler went well, by consumer.'],
  ['failed', 'consumer_attempts_failed_total', 'Attempts at one event that failed.'],
  ['parked', 'consumer_subjects_parked_total', 'Subjects that were parked because an event failed.'],
  ['deadLetters', 'consumer_dead_letters_total', 'Events that became dead letters.'],
  ['fenced', 'consumer_fenced_total', 'Times that work was refused, because another process had taken its shard.'],
]

function histogram(name: string, help: string, label: string, calls: [string, OperationMetrics][], bucketsMs: StoreMetrics['bucketsMs']): string {
  const samples = calls.flatMap(([value, { calls, totalMs, buckets }]) => [
    ...bucketsMs.map((ms, at) => line(`${name}_bucket`, { [label]: value, le: String(ms / 1000) }, buckets[at]!)),
    line(`${name}_bucket`, { [label]: value, le: '+Inf' }, calls),
    line(`${name}_sum`, { [label]: value }, totalMs / 1000),
    line(`${name}_count`, { [label]: value }, calls),
  ])
  return head(name, 'histogram', help) + samples.join('')
}

const single = (name: string, type: string, help: string, value: number) => family(name, type, help, [[{}, value]])

function family(name: string, type: string, help: string, samples: Sample[]): string {
  return samples.length === 0 ? '' : head(name, type, help) + samples.map(([labels, value]) => line(name, labels, value)).join('')
}

const PREFIX = 'nvent_store_'

const head = (name: string, type: string, help: string) => `# HELP ${PREFIX}${name} ${help}\n# TYPE ${PREFIX}${name} ${type}\n`

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
  return `${PREFIX}${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`
}

const escaped = (text: string) => text.replace(/[\\"\n]/g, character => character === '\n' ? '\\n' : `\\${character}`)
