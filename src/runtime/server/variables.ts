import { CONNECTION_MEMBERS, TEXT_MEMBERS } from '../core/db/connection/connectionMembers'
import { StoreError } from '../core/shared/errors'
import { nearest } from '../core/shared/nearest'
import { CONNECTION_NAMES } from './config'
import { isPlain } from './references'
import type { Env } from './references'

// Nitro asks for its own prefix first.
const PREFIXES = ['NITRO_NVENT_STORE_POSTGRES_', 'NUXT_NVENT_STORE_POSTGRES_']

/** The variable that overrides an option, as it was written. */
export function variable(option: string, env: Env): string | undefined {
  const name = PREFIXES.map(prefix => prefix + snake(option)).find(each => env[each] !== undefined)
  return name && env[name]
}

/** Nitro reads variables as JSON where it can: a password of digits arrives as a number, a user called 1e3 as 1000. */
export function textsAsWritten(option: string, connection: unknown, env: Env): unknown {
  if (!isPlain(connection)) return connection
  const asWritten = (member: string, value: unknown) => TEXT_MEMBERS.includes(member) ? variable(`${option}_${member}`, env) ?? value : value
  return Object.fromEntries(Object.entries(connection).map(([member, value]) => [member, asWritten(member, value)]))
}

/**
 * A variable that overrides nothing is a mistyped one.
 * @throws {StoreError} INVALID_OPTION that names it, and the one that is most likely meant
 */
export function refuseUnknownVariables(options: string[], env: Env): void {
  const known = options.map(snake)
  // Members of a connection have variables of their own, and so have those of `ssl`.
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
