import { describe, expect, it } from 'vitest'
import { countCall, countError, createMetrics } from '../../src/runtime/core/observability/metrics'
import { prometheusText } from '../../src/runtime/core/observability/prometheus'
import { StoreError } from '../../src/runtime/core/shared/errors'

const LINE = /^(?:# HELP [a-z_]+ .+|# TYPE [a-z_]+ (?:counter|gauge|histogram)|[a-z_]+(?:\{(?:[a-z]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? -?(?:\d[\d.e+-]*|\+Inf))$/

function filled() {
  const metrics = createMetrics({ pool: () => ({ total: 5, idle: 3, waiting: 2, max: 10 }), subscriptions: () => 4, consumers: () => ({ 'mails "x"': { shards: 3, lag: 12 } }) })
  const append = metrics.operation('stream.append')
  for (const ms of [0.2, 3, 3, 20_000]) countCall(append, ms)
  countError(append, new StoreError('CONNECTION', 'gone'))
  countError(append, new Error('of somebody else'))
  metrics.counts.eventsWritten = 7
  Object.assign(metrics.consumer('mails "x"'), { handled: 5, failed: 2, parked: 1, deadLetters: 1, fenced: 1 })
  countCall(metrics.consumer('mails "x"').handler, 3)
  metrics.consumer('at rest')
  metrics.counts.outbox.topics.mail = { published: 2, failed: 1 }
  return metrics
}

describe('the text for Prometheus', () => {
  it('is made of lines of the format, each family once with its type before its samples', () => {
    const text = prometheusText(filled().snapshot())
    expect(text.endsWith('\n')).toBe(true)
    const lines = text.trimEnd().split('\n')
    expect(lines.filter(line => !LINE.test(line))).toEqual([])
    const typed = new Set<string>()
    for (const line of lines) {
      const [, declared] = /^# TYPE (\S+)/.exec(line) ?? []
      if (declared) {
        expect(typed, 'no family comes twice').not.toContain(declared)
        typed.add(declared)
      }
      else if (!line.startsWith('#')) {
        const name = /^[a-z_]+/.exec(line)![0]
        expect([...typed].some(family => name === family || name.replace(/_(bucket|sum|count)$/, '') === family), name).toBe(true)
      }
    }
  })

  it('has cumulative buckets in seconds, a sum and a count', () => {
    const lines = prometheusText(filled().snapshot()).split('\n')
    const of = (start: string) => lines.filter(line => line.startsWith(start))
    expect(of('nvent_store_operation_duration_seconds_bucket')).toEqual(expect.arrayContaining([
      'nvent_store_operation_duration_seconds_bucket{operation="stream.append",le="0.0005"} 1',
      'nvent_store_operation_duration_seconds_bucket{operation="stream.append",le="0.0025"} 1',
      'nvent_store_operation_duration_seconds_bucket{operation="stream.append",le="0.005"} 3',
      'nvent_store_operation_duration_seconds_bucket{operation="stream.append",le="10"} 3',
      'nvent_store_operation_duration_seconds_bucket{operation="stream.append",le="+Inf"} 4',
    ]))
    expect(of('nvent_store_operation_duration_seconds_sum')).toEqual(['nvent_store_operation_duration_seconds_sum{operation="stream.append"} 20.0062'])
    expect(of('nvent_store_operation_duration_seconds_count')).toEqual(['nvent_store_operation_duration_seconds_count{operation="stream.append"} 4'])
    expect(of('nvent_store_operation_errors_total')).toEqual([
      'nvent_store_operation_errors_total{operation="stream.append",code="CONNECTION"} 1', 'nvent_store_operation_errors_total{operation="stream.append",code="OTHER"} 1',
    ])
  })

  it('has what was done for each consumer and topic', () => {
    const text = prometheusText(filled().snapshot())
    const of = '{consumer="mails \\"x\\""}'
    for (const line of [
      `nvent_store_consumer_events_handled_total${of} 5`, `nvent_store_consumer_attempts_failed_total${of} 2`, `nvent_store_consumer_subjects_parked_total${of} 1`,
      `nvent_store_consumer_dead_letters_total${of} 1`, `nvent_store_consumer_fenced_total${of} 1`, `nvent_store_consumer_handler_duration_seconds_count${of} 1`,
      `nvent_store_consumer_shards${of} 3`, `nvent_store_consumer_lag${of} 12`, 'nvent_store_consumer_shards{consumer="at rest"} 0',
      'nvent_store_outbox_messages_total{topic="mail",outcome="published"} 2', 'nvent_store_outbox_messages_total{topic="mail",outcome="failed"} 1',
    ]) expect(text.split('\n')).toContain(line)
    expect(text).not.toContain('consumer_lag{consumer="at rest"}')
    expect(prometheusText(createMetrics().snapshot())).not.toContain('_consumer_')
  })

  it('has the pool, and what was counted', () => {
    const text = prometheusText(filled().snapshot())
    for (const line of [
      'nvent_store_pool_connections{state="idle"} 3', 'nvent_store_pool_connections{state="busy"} 2', 'nvent_store_pool_waiting 2',
      'nvent_store_pool_connections_max 10', 'nvent_store_events_written_total 7', 'nvent_store_subscriptions 4',
      'nvent_store_background_runs_total{job="sweep",outcome="failed"} 0', 'nvent_store_retention_events_total{action="archive"} 0',
    ]) expect(text.split('\n')).toContain(line)
  })

  it('leaves out the pool of a database that has none', () => {
    expect(prometheusText(createMetrics().snapshot())).not.toContain('_pool_')
  })

  it('escapes what a label could hold', () => {
    const metrics = createMetrics()
    countCall(metrics.operation('a"b\\c\nd'), 1)
    expect(prometheusText(metrics.snapshot())).toContain('{operation="a\\"b\\\\c\\nd"} 1')
  })
})
