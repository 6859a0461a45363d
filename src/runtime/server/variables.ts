import { CONNECTION_MEMBERS, TEXT_MEMBERS } from '../core/db/connection/connectionMembers'
import { StoreError } from '../core/shared/errors'
import { nearest } from '../core/shared/nearest'
import { CONNECTION_NAMES } from './config'
import { isPlain } from './references'
import type { Env } from './references'

// Nitro gives its own prefix precedence.
const PREFIXES = ['NITRO_NVENT_STORE_POSTGRES_', 'NUXT_NVENT_STORE_POSTGRES_']

/** The value of the environment variable that overrides an option, as a string. */
export function variable(option: string, env: Env): string | undefined {
  const name = PREFIXES.map(prefix => prefix + snake(option)).find(each => env[each] !== undefined)
  return name && env[name]
}

/**
 * Restores the string members of a connection from their variables. Nitro parses variables as JSON where possible: a
 * password of digits becomes a number, a user named 1e3 becomes 1000.
 */
export function restoreStrings(option: string, connection: unknown, env: Env): unknown {
  if (!isPlain(connection)) return connection
  const asWritten = (member: string, value: unknown) => TEXT_MEMBERS.includes(member) ? variable(`${option}_${member}`, env) ?? value : value
  return Object.fromEntries(Object.entries(connection).map(([member, value]) => [member, asWritten(member, value)]))
}

/**
 * Refuses a variable with our prefix that overrides no option: it is mistyped.
 * @throws {StoreError} INVALID_OPTION with its name, and the most similar known one
 */
export function refuseUnknownVariables(options: string[], env: Env): void {
  const known = options.map(snake)
  // Members of a connection have their own variables, and so have those of `ssl`.
  const connections = CONNECTION_NAMES.map(snake)
  const members = connections.flatMap(option => CONNECTION_MEMBERS.map(member => `${option}_${snake(member)}`))
  for (const name of Object.keys(env)) {
    const prefix = PREFIXES.find(each => name.startsWith(each))
    const option = name.slice(prefix?.length)
    if (prefix === undefined || known.includes(option) || members.includes(option) || connections.some(each => option.startsWith(`${each}_SSL_`))) continue
    const meant = nearest(option, [...known, ...members])
    throw new StoreError('INVALID_OPTION', `the environment variable ${name} is unknown${meant === undefined ? `; known are ${prefix}… ${known.join(', ')}` : `; did you mean ${prefix}${meant}?`}`, {
      details: { option: name },
    })
  }
}

const snake = (option: string): string => option.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()
