import type { ConsumerInfo } from '../runtime/core/consumers/adminTypes'
import { storeCommand, withStore } from './command'
import { columns, visible } from './output'

export const consumersCommand = storeCommand({
  name: 'consumers',
  description: 'List consumers: where they stand, who works for them, what they have parked',
  onlyLooks: true,
  args: {},
  run: ({ output, settings }) => withStore(settings, async ({ admin }) => {
    const consumers = await admin.consumers.list()
    output.result(consumers, columns(consumers.map(line)))
  }),
})

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`

const line = ({ name, position, lag, lagMs, staleMs, shards, members, parked, deadLetters }: ConsumerInfo): string[] => [
  visible(name), `at ${position}`, `lag ${lag} (${seconds(lagMs)})`, `looked after ${seconds(staleMs)} ago`,
  `${shards.held}/${shards.all} shards held by ${members} processes`, `${parked} parked`, `${deadLetters} dead letters`,
]
