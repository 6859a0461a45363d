import { once } from 'node:events'
import { isGlob } from '../runtime/core/shared/glob'
import type { EventRecord } from '../runtime/core/shared/event'
import type { GlobalEvent } from '../runtime/core/log/types'
import type { Store } from '../runtime/core/types'
import { storeCommand, withStore } from './command'
import { UsageError, integerFlag } from './usage'
import { visible } from './output'

const PAGE = 500

export const tailCommand = storeCommand({
  name: 'tail',
  description: 'Print the events of a subject, or of all subjects that a glob matches, and follow new ones until Ctrl-C',
  onlyLooks: true,
  args: {
    subject: { type: 'positional', required: true, description: 'The subject, or a glob: * matches any characters, ? one' },
    from: { type: 'string', default: 'start', description: 'start, now, an event id (exclusive), or an ISO time (inclusive)', valueHint: 'position' },
    limit: { type: 'string', description: 'End after this many events', valueHint: 'n' },
    follow: { type: 'boolean', default: true, description: 'Wait for new events', negativeDescription: 'End after the existing events' },
  },
  run: ({ args, output, settings }) => {
    const from = positionOf(args.from)
    const limit = args.limit === undefined ? Infinity : integerFlag('--limit', args.limit, 1)
    return withStore(settings, async (store) => {
      const until = ended()
      let printed = 0
      const print = (event: EventRecord, subject?: string) => {
        if (printed >= limit || until.signal.aborted || isBefore(event, from)) return
        output.item(subject === undefined ? event : { subject, event }, line(event, subject))
        if (++printed >= limit) until.end()
      }
      if (isGlob(args.subject)) {
        await followGlob(store, args.subject, from, args.follow, ({ subject, event }) => print(event, subject), until)
        return
      }
      await (args.follow ? follow : printHistory)(store, args.subject, from, print, until)
    })
  },
})

type Position = { after: string } | { from: number } | 'now'

const isBefore = ({ ts }: EventRecord, from: Position): boolean => typeof from === 'object' && 'from' in from && ts < from.from

interface Until {
  signal: AbortSignal
  end(reason?: unknown): void
}

/** The events of all subjects that a glob matches, in the order of their ids. */
async function followGlob(
  store: Store, glob: string, from: Position, goesOn: boolean, print: (each: GlobalEvent) => void, until: Until,
): Promise<void> {
  let last = typeof from === 'object' && 'after' in from ? from.after : '0'
  if (from !== 'now') {
    for await (const each of store.stream.readAll({ subjects: [glob], after: last, since: 'from' in from ? from.from : undefined })) {
      print(each)
      last = each.event.id
      if (until.signal.aborted) return
    }
  }
  if (!goesOn) return
  for await (const each of store.stream.subscribe(glob, { from: from === 'now' ? 'now' : last, signal: until.signal })) print(each)
}

/** Prints existing and new events. Subscribes before it reads, so that no event between the two is missed. */
async function follow(store: Store, subject: string, from: Position, print: (event: EventRecord) => void, until: Until): Promise<void> {
  const waiting: EventRecord[] = []
  let last: string | undefined = undefined
  let failure: unknown
  // The subscription may deliver events that the history has already printed: these are skipped. After the first newer
  // one every event is new, also one with a lower id, which a server that took over has assigned.
  let isNew = false
  const printNew = (event: EventRecord) => {
    isNew ||= BigInt(event.id) > BigInt(last!)
    if (isNew) print(event)
  }
  const subscription = await store.stream.subscribe(subject, (event) => {
    if (last === undefined) waiting.push(event)
    else printNew(event)
  }, {
    onError(error) {
      failure = error
      until.end()
    },
  })
  last = await printHistory(store, subject, from, print, until)
  waiting.forEach(event => printNew(event))
  if (!until.signal.aborted) await once(until.signal, 'abort')
  await subscription.unsubscribe()
  if (failure !== undefined) throw failure
}

/** Prints the existing events and returns the id of the last one. */
async function printHistory(store: Store, subject: string, from: Position, print: (event: EventRecord) => void, until: Until): Promise<string> {
  if (from === 'now') return '0'
  let position = 'after' in from ? from.after : '0'
  const start = 'from' in from ? from.from : undefined
  for (let more = true; more && !until.signal.aborted;) {
    const events = await store.stream.read(subject, { after: position, from: start, limit: PAGE })
    events.forEach(event => print(event))
    position = events.at(-1)?.id ?? position
    more = events.length === PAGE
  }
  return position
}

function positionOf(text: string): Position {
  if (text === 'now') return 'now'
  if (text === 'start') return { after: '0' }
  if (/^\d+$/.test(text)) return { after: text }
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new UsageError(`--from must be start, now, an event id or an ISO time, not ${JSON.stringify(text)}`)
  return { from: time }
}

/** Aborts on a signal, or when the reader of the output has closed the pipe. */
function ended(): Until {
  const abort = new AbortController()
  const end = () => abort.abort()
  process.once('SIGINT', end)
  process.once('SIGTERM', end)
  process.stdout.once('error', end)
  return { signal: abort.signal, end }
}

function line({ id, ts, type, ...rest }: EventRecord, subject?: string): string {
  const cells = [id, new Date(ts).toISOString(), ...subject === undefined ? [] : [subject], type, JSON.stringify(rest)]
  return cells.map(visible).join('\t')
}
