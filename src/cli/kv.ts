import { defineCommand } from 'citty'
import { readOnlyStore } from '../runtime/core/admin/readOnly'
import type { ReadOnlyStore } from '../runtime/core/admin/readOnly'
import type { KvList } from '../runtime/core/kv/types'
import { writeTextCursor } from '../runtime/core/sql/cursor'
import { storeCommand, withDatabase } from './command'
import { EXIT, integerFlag } from './usage'
import { visible } from './output'

const PAGE = 1_000

const get = storeCommand({
  name: 'get',
  description: 'Print the value of a key as JSON; exit code 1 when there is none',
  onlyLooks: true,
  args: {
    key: { type: 'positional', required: true, description: 'The key' },
  },
  run: ({ args, output, settings }) => withDatabase(settings, async (db) => {
    const store = readOnlyStore(db, settings.names)
    const [text] = await store.values([args.key])
    if (text === undefined) {
      output.log.error(`there is no key ${JSON.stringify(args.key)}`)
      return EXIT.error
    }
    const value: unknown = JSON.parse(text)
    output.result({ key: args.key, expiresAt: await expiryOf(store, args.key), value }, [JSON.stringify(value, null, 2)])
    return EXIT.done
  }),
})

const list = storeCommand({
  name: 'list',
  description: 'List keys with their values',
  onlyLooks: true,
  args: {
    glob: { type: 'positional', required: false, default: '*', description: 'Which keys: * matches any characters, ? one' },
    limit: { type: 'string', default: '100', description: 'Maximum number of keys', valueHint: 'n' },
    after: { type: 'string', description: 'Continue after this key', valueHint: 'key' },
  },
  run: ({ args, output, settings }) => {
    const limit = integerFlag('--limit', args.limit, 1)
    return withDatabase(settings, async (db) => {
      const store = readOnlyStore(db, settings.names)
      const { keys } = await store.keys({ glob: args.glob, limit, cursor: writeTextCursor(args.after ?? '') })
      const values = await store.values(keys.map(({ key }) => key))
      // A key that expired since it was listed is left out.
      const found = keys.flatMap((each, at) => values[at] === undefined ? [] : [{ key: each.key, expiresAt: isoTime(each), text: values[at] }])
      output.result(
        found.map(({ text, ...key }) => ({ ...key, value: JSON.parse(text) as unknown })),
        found.map(({ key, text, expiresAt }) => `${visible(key)}\t${text}${expiresAt === null ? '' : `\tuntil ${expiresAt}`}`),
      )
    })
  },
})

type Listed = KvList['keys'][number]

/** When a key expires. As a glob it matches itself, but may match others: the search begins right before it. */
async function expiryOf({ keys }: ReadOnlyStore, key: string): Promise<string | null> {
  const before = [...key].slice(0, -1).join('')
  for (let cursor: string | null = writeTextCursor(before); cursor !== null;) {
    const page: KvList = await keys({ glob: key, cursor, limit: PAGE })
    const found = page.keys.find(each => each.key === key)
    if (found) return isoTime(found)
    cursor = page.cursor
  }
  return null
}

const isoTime = ({ expiresAt }: Listed): string | null => expiresAt === undefined ? null : new Date(expiresAt).toISOString()

export const kvCommand = defineCommand({
  meta: { name: 'kv', description: 'Read keys and values' },
  subCommands: { get, list },
})
