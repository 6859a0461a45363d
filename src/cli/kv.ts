import { defineCommand } from 'citty'
import { findKey, listKeys } from '../runtime/core/admin/inspect'
import { storeCommand, withDatabase } from './command'
import { EXIT, wholeNumber } from './usage'
import { visible } from './visible'

const get = storeCommand({
  name: 'get',
  description: 'Print the value of a key as JSON; exit code 1 when there is none',
  onlyLooks: true,
  args: {
    key: { type: 'positional', required: true, description: 'The key' },
  },
  run: ({ args, output, settings }) => withDatabase(settings, async (db) => {
    const found = await findKey(db, settings.names, args.key)
    if (!found) {
      output.log.error(`there is no key ${JSON.stringify(args.key)}`)
      return EXIT.error
    }
    const value: unknown = JSON.parse(found.value)
    output.result({ ...found, value }, [JSON.stringify(value, null, 2)])
    return EXIT.done
  }),
})

const list = storeCommand({
  name: 'list',
  description: 'List keys with their values',
  onlyLooks: true,
  args: {
    glob: { type: 'positional', required: false, default: '*', description: 'Which keys: * any run, ? one character' },
    limit: { type: 'string', default: '100', description: 'At most this many', valueHint: 'n' },
    after: { type: 'string', description: 'Go on after this key', valueHint: 'key' },
  },
  run: ({ args, output, settings }) => {
    const limit = wholeNumber('--limit', args.limit, 1)
    return withDatabase(settings, async (db) => {
      const keys = await listKeys(db, settings.names, { glob: args.glob, after: args.after, limit })
      output.result(
        keys.map(({ value, ...key }) => ({ ...key, value: JSON.parse(value) as unknown })),
        keys.map(({ key, value, expiresAt }) => `${visible(key)}\t${value}${expiresAt === null ? '' : `\tuntil ${expiresAt}`}`),
      )
    })
  },
})

export const kvCommand = defineCommand({
  meta: { name: 'kv', description: 'Look at keys and values' },
  subCommands: { get, list },
})
