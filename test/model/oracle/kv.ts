import { checkName, checkNumber, copy, refuse, stored } from './json'
import type { Json } from './json'

interface Slot { value: Json, expiresAt: number }

const MAX_TTL = 1e11

/** `*` any run of characters, `?` exactly one, everything else literal. */
function matches(glob: string[], text: string[]): boolean {
  if (glob.length === 0) return text.length === 0
  const [first, ...rest] = glob
  if (first === '*') return matches(rest, text) || (text.length > 0 && matches(glob, text.slice(1)))
  return text.length > 0 && (first === '?' || first === text[0]) && matches(rest, text.slice(1))
}

export function createKvOracle() {
  const slots = new Map<string, Slot>()
  let now = 0

  function live(key: string): Slot | undefined {
    const slot = slots.get(key)
    return slot && slot.expiresAt > now ? slot : undefined
  }

  return {
    /** Moves the clock on. */
    advance(seconds: number): void {
      now += seconds
    },

    get(key: string): Json {
      checkName(key)
      return copy(live(key)?.value ?? null)
    },

    set(key: string, value: unknown, ttlSeconds?: number): void {
      checkName(key)
      const kept = value === undefined ? null : stored(value) ?? null
      if (ttlSeconds !== undefined) {
        checkNumber(ttlSeconds)
        if (ttlSeconds < 0 || ttlSeconds > MAX_TTL) refuse('ttlSeconds')
      }
      slots.set(key, { value: kept, expiresAt: ttlSeconds === undefined ? Infinity : now + ttlSeconds })
    },

    delete(key: string): void {
      checkName(key)
      slots.delete(key)
    },

    clear(glob: string): number {
      checkName(glob)
      let count = 0
      for (const key of [...slots.keys()]) {
        if (!live(key) || !matches([...glob], [...key])) continue
        slots.delete(key)
        count += 1
      }
      return count
    },

    increment(key: string, by: unknown = 1): number {
      checkName(key)
      checkNumber(by)
      const slot = live(key)
      const before = slot ? slot.value : 0
      if (typeof before !== 'number') refuse('value')
      const value = before + by
      checkNumber(value)
      slots.set(key, { value, expiresAt: slot ? slot.expiresAt : Infinity })
      return value
    },

    /** Remembers everything; what it returns puts it back. */
    mark(): () => void {
      const before = [...slots]
      return () => {
        slots.clear()
        for (const [key, slot] of before) slots.set(key, slot)
      }
    },

    /** The live keys, for tests that look for something to do. */
    keys: (): string[] => [...slots.keys()].filter(live),
  }
}
