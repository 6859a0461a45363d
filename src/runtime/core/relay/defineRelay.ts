import { checkFunction, checkMembers } from '../shared/checks'
import { definition } from '../shared/definition'
import { RELAY_OPTIONS } from './types'
import type { RelayOptions } from './types'

/** What `store.outbox.relay` takes. */
export type RelayDefinition = RelayOptions

/**
 * Describes a relay of the outbox without starting it: the default export of a file in `server/consumers`, whose name it
 * has by default, or options of `store.outbox.relay`, which throws for an unknown option.
 * @example
 * export default defineRelay({
 *   topics: ['mail'],
 *   publish: message => $fetch('https://mail.example.com/send', { method: 'POST', body: message.data }),
 * })
 */
export function defineRelay(options: RelayDefinition): RelayDefinition {
  return definition(() => {
    const given = checkMembers('options', options, RELAY_OPTIONS)
    checkFunction('options.publish', given.publish)
    return given as RelayDefinition
  })
}

/** Whether a definition is one of a relay, and not of a consumer. */
export const isRelay = (given: object): given is RelayDefinition => 'publish' in given
