import { vi } from 'vitest'

const LIMIT = 120_000
// Most checks ask a database, which may be one of this process.
const INTERVAL = 25

/** Checks until the check holds, and gives what it gives. The limit ends what hangs; it judges no speed. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> => vi.waitFor(check, { timeout: LIMIT, interval: INTERVAL })
