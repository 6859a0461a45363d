import { defineCommand } from 'citty'
import type { DeadLetter, DeadLetterFilter, DeadLetterListOptions } from '../runtime/core/consumers/deadLetterTypes'
import { checkAge } from '../runtime/core/jobs/retention/rules'
import { storeCommand, withStore } from './command'
import { hasConsumer } from './consumers'
import { columns, isConfirmed, visible } from './output'
import { EXIT, UsageError, integerFlag } from './usage'

const FILTERS = {
  consumer: { type: 'string', description: 'Of this consumer', valueHint: 'name' },
  subject: { type: 'string', description: 'Of these subjects: * matches any characters, ? one', valueHint: 'glob' },
  type: { type: 'string', description: 'Events of this type', valueHint: 'type' },
  since: { type: 'string', description: 'Given up at this time or later', valueHint: 'ISO time' },
  until: { type: 'string', description: 'Given up before this time', valueHint: 'ISO time' },
  error: { type: 'string', description: 'A part of the error', valueHint: 'text' },
} as const

type FilterFlags = Partial<Record<keyof typeof FILTERS, string>>

function filterOf({ consumer, subject, type, since, until, error }: FilterFlags): DeadLetterFilter {
  return {
    ...consumer !== undefined && { consumer }, ...subject !== undefined && { subject }, ...error !== undefined && { error },
    ...type !== undefined && { types: [type] },
    ...since !== undefined && { since: timeOf('--since', since) }, ...until !== undefined && { until: timeOf('--until', until) },
  }
}

function timeOf(flag: string, text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new UsageError(`${flag} must be an ISO time, not ${JSON.stringify(text)}`)
  return time
}

const id = { type: 'positional', required: true, description: 'The letter' } as const
const noLetter = (given: string, state: string) => `there is no ${state}dead letter ${JSON.stringify(given)}`

const list = storeCommand({
  name: 'list',
  description: 'List dead letters, those that were given up first before others',
  onlyLooks: true,
  args: {
    ...FILTERS,
    state: { type: 'string', description: 'parked, skipped or edited', valueHint: 'state' },
    limit: { type: 'string', default: '50', description: 'Maximum number of letters', valueHint: 'n' },
    cursor: { type: 'string', description: 'Continue at the cursor of a page', valueHint: 'cursor' },
  },
  run: ({ args, output, settings }) => {
    const limit = integerFlag('--limit', args.limit, 1)
    const options = { ...filterOf(args), limit, cursor: args.cursor ?? null, ...args.state !== undefined && { state: args.state } } as DeadLetterListOptions
    return withStore(settings, async (store) => {
      if (args.consumer !== undefined && !await hasConsumer(store, output, args.consumer)) return EXIT.error
      const page = await store.deadLetters.list(options)
      output.result(page, columns(page.letters.map(line)))
      if (page.cursor !== null) output.log.info(`more with --cursor ${page.cursor}`)
      return EXIT.done
    })
  },
})

const line = ({ id, deadAt, consumer, subject, event, state, attempts, error }: DeadLetter): string[] =>
  [id, new Date(deadAt).toISOString(), consumer, subject, event.type, state, `${attempts} attempts`, `${error.name}: ${error.message}`].map(visible)

const get = storeCommand({
  name: 'get',
  description: 'Print a dead letter; exit code 1 when there is none',
  onlyLooks: true,
  args: { id },
  run: ({ args, output, settings }) => withStore(settings, async ({ deadLetters }) => {
    const letter = await deadLetters.get(args.id)
    if (!letter) {
      output.log.error(noLetter(args.id, ''))
      return EXIT.error
    }
    output.result(letter, [JSON.stringify(letter, null, 2)])
    return EXIT.done
  }),
})

const requeue = storeCommand({
  name: 'requeue',
  description: 'Try parked events again, with those that wait behind them',
  args: {
    id: { ...id, required: false, description: 'The letter; else all that the options mean' },
    ...FILTERS,
    event: { type: 'string', description: 'Members that replace those of the event', valueHint: 'JSON' },
    limit: { type: 'string', description: 'Maximum number of letters', valueHint: 'n' },
    all: { type: 'boolean', description: 'All parked letters' },
  },
  run: ({ args, output, settings }) => {
    const filter = filterOf(args)
    const limit = args.limit === undefined ? undefined : integerFlag('--limit', args.limit, 1)
    const isRange = Object.keys(filter).length > 0 || limit !== undefined || args.all
    if ((args.id === undefined) !== Boolean(isRange)) throw new UsageError('give either the id of a letter, or options that say which are meant (--all for every one)')
    if (args.event !== undefined && args.id === undefined) throw new UsageError('--event replaces one event: give the id of its letter')
    const event = args.event === undefined ? undefined : eventOf(args.event)
    return withStore(settings, async (store) => {
      if (args.consumer !== undefined && !await hasConsumer(store, output, args.consumer)) return EXIT.error
      const { deadLetters } = store
      const requeued = args.id === undefined
        ? await deadLetters.requeueRange({ ...filter, ...limit !== undefined && { limit } })
        : Number(await deadLetters.requeue(args.id, event && { event }))
      if (requeued === 0 && args.id !== undefined) {
        output.log.error(noLetter(args.id, 'parked '))
        return EXIT.error
      }
      output.result({ requeued }, [`${requeued} requeued`])
      return EXIT.done
    })
  },
})

function eventOf(text: string): Record<string, unknown> {
  let event: unknown
  try {
    event = JSON.parse(text)
  }
  catch (cause) {
    throw new UsageError(`--event must be JSON: ${(cause as Error).message}`)
  }
  if (typeof event !== 'object' || event === null || Array.isArray(event)) throw new UsageError(`--event must be an object in JSON, such as {"data":{}}, not ${text}`)
  return event as Record<string, unknown>
}

const discard = storeCommand({
  name: 'discard',
  description: 'Drop a parked event, and let the later ones of its subject go on',
  args: { id, yes: { type: 'boolean', description: 'Don\'t ask for confirmation' } },
  run: ({ args, output, settings }) => withStore(settings, async ({ deadLetters }) => {
    if (!args.yes && !await isConfirmed(output, 'dead discard', `Drop dead letter ${args.id}? Its event is never handled.`)) {
      output.log.info('nothing was changed')
      return EXIT.error
    }
    if (!await deadLetters.discard(args.id)) {
      output.log.error(noLetter(args.id, 'parked '))
      return EXIT.error
    }
    output.result({ discarded: 1 }, ['1 discarded'])
    return EXIT.done
  }),
})

const purge = storeCommand({
  name: 'purge',
  description: 'Delete dead letters that nothing waits behind',
  args: {
    ...FILTERS,
    'older-than': { type: 'string', description: 'Given up at least this long ago: 30d, 12h …', valueHint: 'age' },
    'yes': { type: 'boolean', description: 'Don\'t ask for confirmation' },
  },
  run: ({ args, output, settings }) => {
    const olderThan = args['older-than']
    const filter = { ...filterOf(args), ...olderThan !== undefined && { olderThanMs: checkAge('--older-than', olderThan) } }
    return withStore(settings, async (store) => {
      if (args.consumer !== undefined && !await hasConsumer(store, output, args.consumer)) return EXIT.error
      if (!args.yes && !await isConfirmed(output, 'dead purge', 'Delete these dead letters? Parked ones stay.')) {
        output.log.info('nothing was changed')
        return EXIT.error
      }
      const purged = await store.deadLetters.purge(filter)
      output.result({ purged }, [`${purged} deleted`])
      return EXIT.done
    })
  },
})

export const deadCommand = defineCommand({
  meta: { name: 'dead', description: 'Events that consumers have given up' },
  subCommands: { list, get, requeue, discard, purge },
})
