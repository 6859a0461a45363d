import { defineCommand } from 'citty'
import type { IndexEntry } from '../runtime/core/entries/types'
import { storeCommand, withStore } from './command'
import { EXIT, integerFlag } from './usage'
import { visible } from './output'

const get = storeCommand({
  name: 'get',
  description: 'Print an entry; exit code 1 when there is none',
  onlyLooks: true,
  args: {
    key: { type: 'positional', required: true, description: 'The index' },
    id: { type: 'positional', required: true, description: 'The entry' },
  },
  run: ({ args, output, settings }) => withStore(settings, async (store) => {
    const entry = await store.index.get(args.key, args.id)
    if (entry === null) {
      output.log.error(`there is no entry ${JSON.stringify(args.id)} in ${JSON.stringify(args.key)}`)
      return EXIT.error
    }
    output.result(entry, [JSON.stringify(entry, null, 2)])
    return EXIT.done
  }),
})

const read = storeCommand({
  name: 'read',
  description: 'List entries, highest score first',
  onlyLooks: true,
  args: {
    key: { type: 'positional', required: true, description: 'The index' },
    limit: { type: 'string', default: '50', description: 'Maximum number of entries', valueHint: 'n' },
    cursor: { type: 'string', description: 'Continue at the cursor of a page', valueHint: 'cursor' },
    asc: { type: 'boolean', description: 'Lowest score first' },
  },
  run: ({ args, output, settings }) => {
    const limit = integerFlag('--limit', args.limit, 1)
    return withStore(settings, async (store) => {
      const page = await store.index.readPage(args.key, { limit, cursor: args.cursor, order: args.asc ? 'asc' : 'desc' })
      output.result(page, page.entries.map(line))
      if (page.cursor !== null) output.log.info(`more with --cursor ${page.cursor}`)
    })
  },
})

const line = ({ id, score, metadata }: IndexEntry): string => `${visible(id)}\t${score}\t${metadata === undefined ? '' : JSON.stringify(metadata)}`

export const indexCommand = defineCommand({
  meta: { name: 'index', description: 'Read index entries' },
  subCommands: { get, read },
})
