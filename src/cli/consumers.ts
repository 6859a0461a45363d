import type { ConsumerInfo } from '../runtime/core/consumers/adminTypes'
import type { Store } from '../runtime/core/types'
import { storeCommand, withStore } from './command'
import type { Output } from './output'
import { columns, isConfirmed, visible } from './output'
import type { ExitCode } from './usage'
import { EXIT, UsageError, hint } from './usage'

const ACTIONS = ['remove', 'reset']

export const consumersCommand = storeCommand({
  name: 'consumers',
  description: 'List consumers: where they stand, who works for them, what they have parked; remove one, or reset it',
  onlyLooks: ({ action }) => action === undefined,
  args: {
    action: { type: 'positional', required: false, description: 'remove or reset; else they are listed' },
    name: { type: 'positional', required: false, description: 'The consumer, which no process works for' },
    to: { type: 'string', description: 'Where it goes on with reset', valueHint: 'start|now|position' },
    yes: { type: 'boolean', description: 'Don\'t ask for confirmation' },
  },
  run: ({ args: { action, name, to, yes }, output, settings }) => {
    if (action !== undefined && !ACTIONS.includes(action)) throw new UsageError(`unknown action ${JSON.stringify(action)} of consumers${hint('', action, ACTIONS) || `: there are ${ACTIONS.join(' and ')}`}`)
    if (action !== undefined && name === undefined) throw new UsageError(`consumers ${action} needs the name of the consumer`)
    if ((action === 'reset') !== (to !== undefined)) throw new UsageError(to === undefined ? 'consumers reset needs --to start, now or a position' : '--to is an option of consumers reset')
    return withStore(settings, async (store) => {
      if (action !== undefined) return change(store, output, name!, to, yes ?? false)
      const consumers = await store.admin.consumers.list()
      output.result(consumers, columns(consumers.map(line)))
      return EXIT.done
    })
  },
})

/** Resets a consumer to a position, or removes it. */
async function change(store: Store, output: Output, name: string, to: string | undefined, yes: boolean): Promise<ExitCode> {
  if (!await hasConsumer(store, output, name)) return EXIT.error
  const [command, done, question] = to === undefined
    ? ['consumers remove', 'removed', `Remove consumer ${visible(name)}, with its position and its dead letters?`]
    : ['consumers reset', 'reset', `Let consumer ${visible(name)} go on from ${visible(to)}? Dead letters of events behind it are deleted.`]
  if (!yes && !await isConfirmed(output, command!, question!)) {
    output.log.info('nothing was changed')
    return EXIT.error
  }
  const { consumers } = store.admin
  await (to === undefined ? consumers.remove(name) : consumers.reset(name, { to }))
  output.result({ [done!]: name }, [`${visible(name)} ${done}`])
  return EXIT.done
}

/** Whether there is a consumer; when there is none, says so. */
export async function hasConsumer({ admin }: Store, { log }: Output, name: string): Promise<boolean> {
  const names = (await admin.consumers.list()).map(consumer => consumer.name)
  if (names.includes(name)) return true
  log.error(`there is no consumer ${JSON.stringify(name)}${hint('', name, names)}`)
  return false
}

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

const line = ({ name, position, lag, lagMs, staleMs, shards, members, parked, deadLetters }: ConsumerInfo): string[] => [
  visible(name), `at ${position}`, `lag ${lag} (${seconds(lagMs)})`, `looked after ${seconds(staleMs)} ago`,
  `${shards.held}/${shards.all} shards held by ${members} processes`, `${parked} parked`, `${deadLetters} dead letters`,
]
