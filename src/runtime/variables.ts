import { StoreError } from './core/errors'
import { nearest } from './core/nearest'
import type { Env } from './references'

// Nitro asks for its own prefix first.
const PREFIXES = ['NITRO_NVENT_STORE_POSTGRES_', 'NUXT_NVENT_STORE_POSTGRES_']

/** The variable that overrides an option, as it was written. */
export function variable(option: string, env: Env): string | undefined {
  const name = PREFIXES.map(prefix => prefix + snake(option)).find(each => env[each] !== undefined)
  return name && env[name]
}

/**
 * A variable that overrides nothing is a mistyped one.
 * @throws {StoreError} INVALID_OPTION that names it, and the one that is most likely meant
 */
export function refuseUnknownVariables(options: string[], env: Env): void {
  const known = options.map(snake)
  for (const name of Object.keys(env)) {
    const prefix = PREFIXES.find(each => name.startsWith(each))
    const option = name.slice(prefix?.length)
    // Members of a connection have variables of their own.
    if (prefix === undefined || known.some(each => option === each || (each.endsWith('CONNECTION') && option.startsWith(`${each}_`)))) continue
    const meant = nearest(option, known)
    throw new StoreError('INVALID_OPTION', `the environment variable ${name} is unknown${meant === undefined ? `; known are ${prefix}… ${known.join(', ')}` : `; did you mean ${prefix}${meant}?`}`, {
      details: { option: name },
    })
  }
}

const snake = (option: string): string => option.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()
