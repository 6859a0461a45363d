import type { Store } from '../../../src/runtime/core/index'
import { collect, wrong } from './context'

/** A call with one of its texts left open. */
export interface TextArgument {
  call: string
  argument: string
  run(store: Store, text: unknown): Promise<unknown>
}

const ignore = () => {}

/** Every text that any call takes as a name. */
export const textArguments: TextArgument[] = [
  { call: 'stream.append', argument: 'subject', run: (store, text) => store.stream.append(wrong(text), { type: 'odd' }) },
  { call: 'stream.append', argument: 'event.type', run: (store, text) => store.stream.append('odd:1', { type: wrong(text) }) },
  { call: 'stream.read', argument: 'subject', run: (store, text) => store.stream.read(wrong(text)) },
  {
    call: 'stream.subscribe',
    argument: 'subject',
    run: (store, text) => store.stream.subscribe(wrong(text), ignore).then(subscription => subscription.unsubscribe()),
  },
  { call: 'stream.delete', argument: 'subject', run: (store, text) => store.stream.delete(wrong(text)) },
  { call: 'stream.appendMany', argument: 'subject', run: (store, text) => store.stream.appendMany(wrong(text), [{ type: 'odd' }]) },
  { call: 'stream.appendAll', argument: 'entries.0.subject', run: (store, text) => store.stream.appendAll([{ subject: wrong(text), events: [{ type: 'odd' }] }]) },
  { call: 'stream.current', argument: 'subject', run: (store, text) => store.stream.current(wrong(text)) },
  { call: 'stream.iterate', argument: 'subject', run: (store, text) => collect(store.stream.iterate(wrong(text))) },
  { call: 'stream.archive', argument: 'subject', run: (store, text) => store.stream.archive(wrong(text)) },
  { call: 'stream.unarchive', argument: 'subject', run: (store, text) => store.stream.unarchive(wrong(text)) },
  { call: 'stream.truncateBefore', argument: 'subject', run: (store, text) => store.stream.truncateBefore(wrong(text), 1) },
  { call: 'stream.dismissed', argument: 'subject', run: (store, text) => store.stream.dismissed(wrong(text)) },
  { call: 'stream.dismiss', argument: 'reason.by', run: (store, text) => store.stream.dismiss('9000000000000000000', { reason: 'odd', by: wrong(text) }) },
  { call: 'index.add', argument: 'key', run: (store, text) => store.index.add(wrong(text), 'odd', 1) },
  { call: 'index.add', argument: 'id', run: (store, text) => store.index.add('odd', wrong(text), 1) },
  { call: 'index.get', argument: 'key', run: (store, text) => store.index.get(wrong(text), 'odd') },
  { call: 'index.get', argument: 'id', run: (store, text) => store.index.get('odd', wrong(text)) },
  { call: 'index.read', argument: 'key', run: (store, text) => store.index.read(wrong(text)) },
  { call: 'index.update', argument: 'key', run: (store, text) => store.index.update(wrong(text), 'odd', { a: 1 }) },
  { call: 'index.update', argument: 'id', run: (store, text) => store.index.update('odd', wrong(text), { a: 1 }) },
  { call: 'index.updateWithRetry', argument: 'key', run: (store, text) => store.index.updateWithRetry(wrong(text), 'odd', { a: 1 }, 0) },
  { call: 'index.updateWithRetry', argument: 'id', run: (store, text) => store.index.updateWithRetry('odd', wrong(text), { a: 1 }, 0) },
  { call: 'index.increment', argument: 'key', run: (store, text) => store.index.increment(wrong(text), 'odd', 'a') },
  { call: 'index.increment', argument: 'id', run: (store, text) => store.index.increment('odd', wrong(text), 'a') },
  { call: 'index.increment', argument: 'field', run: (store, text) => store.index.increment('odd', 'odd', wrong(text)) },
  { call: 'index.delete', argument: 'key', run: (store, text) => store.index.delete(wrong(text), 'odd') },
  { call: 'index.delete', argument: 'id', run: (store, text) => store.index.delete('odd', wrong(text)) },
  { call: 'index.remove', argument: 'key', run: (store, text) => store.index.remove(wrong(text), 'odd') },
  { call: 'index.remove', argument: 'id', run: (store, text) => store.index.remove('odd', wrong(text)) },
  { call: 'kv.get', argument: 'key', run: (store, text) => store.kv.get(wrong(text)) },
  { call: 'kv.set', argument: 'key', run: (store, text) => store.kv.set(wrong(text), 1) },
  { call: 'kv.delete', argument: 'key', run: (store, text) => store.kv.delete(wrong(text)) },
  { call: 'kv.clear', argument: 'glob', run: (store, text) => store.kv.clear(wrong(text)) },
  { call: 'kv.increment', argument: 'key', run: (store, text) => store.kv.increment(wrong(text)) },
  { call: 'dedupe.claim', argument: 'key', run: (store, text) => store.dedupe.claim(wrong(text), 1) },
  { call: 'dedupe.seen', argument: 'key', run: (store, text) => store.dedupe.seen(wrong(text)) },
  { call: 'dedupe.mark', argument: 'key', run: (store, text) => store.dedupe.mark(wrong(text), 1) },
  { call: 'dedupe.release', argument: 'key', run: (store, text) => store.dedupe.release(wrong(text)) },
  { call: 'rules.get', argument: 'id', run: (store, text) => store.rules.get(wrong(text)) },
  { call: 'rules.remove', argument: 'id', run: (store, text) => store.rules.remove(wrong(text)) },
  { call: 'rules.upsert', argument: 'rule.id', run: (store, text) => store.rules.upsert({ id: wrong(text), threshold: 1, windowMs: 1, result: 1 }) },
  { call: 'rules.evaluate', argument: 'event.subject', run: (store, text) => store.rules.evaluate({ subject: wrong(text), type: 'odd' }) },
  { call: 'rules.evaluate', argument: 'event.type', run: (store, text) => store.rules.evaluate({ subject: 'odd', type: wrong(text) }) },
  { call: 'rules.dryRun', argument: 'event.subject', run: (store, text) => store.rules.dryRun({ subject: wrong(text), type: 'odd' }, { rules: [{ id: 'odd', threshold: 1, windowMs: 1, result: 1 }] }) },
  { call: 'dedupe.once', argument: 'key', run: (store, text) => store.dedupe.once(wrong(text), 1, async () => 1) },
]

/** What no name can be. */
export const wrongNames: [what: string, value: unknown][] = [
  ['empty', ''],
  ['longer than 1,024 bytes', 'x'.repeat(1025)],
  ['longer than 1,024 bytes in fewer characters', '€'.repeat(342)],
  ['undefined', undefined],
  ['null', null],
  ['a number', 5],
  ['an object', {}],
  ['an array of one text', ['text']],
  ['a text with \\u0000', 'a\0b'],
  ['a text with the first half of a surrogate pair', 'a\uD83D'],
  ['a text with the second half of a surrogate pair', '\uDC18b'],
]
