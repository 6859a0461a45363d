import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { trace } from '@opentelemetry/api'
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Store } from '../../src/runtime/core/index'
import { freshDatabase, openStore } from '../setup/database'

const exporter = new InMemorySpanExporter()

const shapeOf = (span: ReadableSpan) => ({
  name: span.name, parent: exporter.getFinishedSpans().find(each => each.spanContext().spanId === span.parentSpanContext?.spanId)?.name,
  table: span.attributes['db.collection.name'], error: span.attributes['error.type'],
})
const spans = () => exporter.getFinishedSpans().map(shapeOf)

describe('the example of docs/observability.md, with the real OpenTelemetry SDK', () => {
  let store: Store

  beforeAll(async () => {
    new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
    await import('../fixtures/otel/tracing')
    store = openStore({ connection: (await freshDatabase('pg18')).url })
    await store.ready()
  })

  beforeEach(() => exporter.reset())

  it('is the one that is tested here', async () => {
    const [docs, tested] = await Promise.all(['../../docs/observability.md', '../fixtures/otel/tracing.ts'].map(
      file => readFile(new URL(file, import.meta.url), 'utf8')))
    expect(docs).toContain(tested!.replaceAll('../../../src/runtime/core', 'nvent-store-postgres/core'))
  })

  it('gives every call a span', async () => {
    await store.stream.append('orders:1', { type: 'a' })
    await store.kv.get('a')
    expect(spans()).toEqual([
      { name: 'stream.append', table: 'nvent_events' }, { name: 'kv.get', table: 'nvent_kv' },
    ])
  })

  it('puts calls under the app\'s own span, and those of a transaction under the transaction', async () => {
    const tracer = trace.getTracer('app')
    await tracer.startActiveSpan('request', async (request) => {
      await store.transaction(async (tx) => {
        await tx.kv.set('a', 1)
        await tx.index.add('orders', '1', 1)
      })
      await store.kv.get('a')
      request.end()
    })
    expect(spans()).toEqual([
      { name: 'kv.set', table: 'nvent_kv', parent: 'transaction' }, { name: 'index.add', table: 'nvent_index', parent: 'transaction' },
      { name: 'transaction', parent: 'request' }, { name: 'kv.get', table: 'nvent_kv', parent: 'request' }, { name: 'request' },
    ])
  })

  it('marks a call that failed by its code, and shows nothing of what it was about', async () => {
    await expect(store.index.increment('s3cret', 's3cret', 's3cret')).rejects.toMatchObject({ code: 'NOT_FOUND' })
    expect(spans()).toEqual([{ name: 'index.increment', table: 'nvent_index', error: 'NOT_FOUND' }])
    const [span] = exporter.getFinishedSpans()
    expect(inspect([span!.attributes, span!.events, span!.status, span!.name], { depth: 9 })).not.toContain('s3cret')
  })
})
