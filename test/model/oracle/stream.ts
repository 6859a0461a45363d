import { checkName, checkNumber, copy, isPlain, own, put, refuse, stored } from './json'
import type { JsonObject } from './json'

export interface Stamp { id: string, ts: number }
type Event = JsonObject & Stamp & { type: string }

const ORDERS: unknown[] = [undefined, 'asc', 'desc']

/** An id as a position: any decimal string or safe integer. */
function position(value: unknown): bigint {
  if (typeof value === 'string' && /^\d+$/.test(value)) return BigInt(value)
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value)
  return refuse('position')
}

function limitOf(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) refuse('limit')
  return value as number
}

export function createStreamOracle() {
  const subjects = new Map<string, Event[]>()

  return {
    /** `stamp` is what the store gave the event: the oracle has no clock and no sequence. */
    append(subject: string, event: unknown, stamp: () => Stamp): Event {
      checkName(subject)
      if (!isPlain(event)) refuse('event')
      checkName(event.type, 512)
      const { id: _id, ts: _ts, ...fields } = event
      const kept = stored(fields) as Event
      const { id, ts } = stamp()
      put(kept, 'id', id)
      put(kept, 'ts', ts)
      const events = subjects.get(subject) ?? []
      subjects.set(subject, [...events, kept])
      return copy(kept)
    },

    read(subject: string, options: Record<string, unknown> = {}): Event[] {
      checkName(subject)
      const { types, after, before, from, to, limit, order } = options
      if (!ORDERS.includes(order)) refuse('order')
      let events = subjects.get(subject) ?? []
      if (types !== undefined) {
        if (!Array.isArray(types)) refuse('types')
        for (const type of types) checkName(type, 512)
        if (types.length > 0) events = events.filter(event => types.includes(event.type))
      }
      if (after !== undefined) {
        const bound = position(after)
        events = events.filter(event => BigInt(event.id) > bound)
      }
      if (before !== undefined) {
        const bound = position(before)
        events = events.filter(event => BigInt(event.id) < bound)
      }
      if (from !== undefined) {
        checkNumber(from)
        events = events.filter(event => event.ts >= from)
      }
      if (to !== undefined) {
        checkNumber(to)
        events = events.filter(event => event.ts <= to)
      }
      if (order === 'desc') events = [...events].reverse()
      if (limit !== undefined) events = events.slice(0, limitOf(limit))
      return copy(events)
    },

    delete(subject: string): boolean {
      checkName(subject)
      return subjects.delete(subject)
    },

    /** Remembers everything; what it returns puts it back. */
    mark(): () => void {
      const before = [...subjects]
      return () => {
        subjects.clear()
        for (const [subject, events] of before) subjects.set(subject, events)
      }
    },

    /** Ids of all events there are, for tests that need one. */
    ids: (): string[] => [...subjects.values()].flatMap(events => events.map(event => own(event, 'id') as string)),
    times: (): number[] => [...subjects.values()].flatMap(events => events.map(event => event.ts)),
  }
}
