import { readMember } from './given'

// By a name that is the same everywhere, as a bundle may contain this module twice.
const REFUSAL = Symbol.for('nvent-store-postgres.refusal')

/**
 * Makes a definition. What is wrong with it is thrown when it is used: it is made while the module of its file loads,
 * where nothing can tell which file that is.
 */
export function definition<T extends object>(make: () => T): T {
  try {
    return make()
  }
  catch (error) {
    return { [REFUSAL]: error } as T
  }
}

/** What is wrong with a definition, or a copy of it; undefined: nothing was found when it was made. */
export const refusalIn = (value: object, path: string): unknown => readMember(value, REFUSAL, path)
