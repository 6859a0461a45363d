import { defineCommand } from 'citty'
import type { KvApi, KvList } from '../runtime/core/kv/types'
import { writeTextCursor } from '../runtime/core/sql/cursor'
import { storeCommand, withStore } from './command'
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
  run: ({ args, output, settings }) => withStore(settings, async ({ kv }) => {
    const found = await findKey(kv, args.key)
    if (!found) {
      output.log.error(`there is no key ${JSON.stringify(args.key)}`)
      return EXIT.error
    }
    const value: unknown = await kv.get(args.key)
    output.result({ key: found.key, value, expiresAt: found.expiresAt }, [JSON.stringify(value, null, 2)])
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
    return withStore(settings, async ({ kv }) => {
      const { keys } = await kv.list({ glob: args.glob, limit, cursor: writeTextCursor(args.after ?? '') })
      const values = await kv.getMany<unknown>(keys.map(({ key }) => key))
      const found = keys.map((each, at) => ({ key: each.key, value: values[at], expiresAt: isoTime(each) }))
      output.result(found, found.map(({ key, value, expiresAt }) =>
        `${visible(key)}\t${JSON.stringify(value)}${expiresAt === null ? '' : `\tuntil ${expiresAt}`}`))
    })
  },
})

type Listed = KvList['keys'][number]

/** Distinguishes a stored null from a missing key. A key used as a glob matches itself, but may match others before it. */
async function findKey(kv: KvApi, key: string): Promise<{ key: string, expiresAt: string | null } | undefined> {
  for (let cursor: string | null = null; ;) {
    const page: KvList = await kv.list({ glob: key, cursor, limit: PAGE })
    const found = page.keys.find(each => each.key === key)
    if (found) return { key, expiresAt: isoTime(found) }
    if (page.cursor === null) return undefined
    cursor = page.cursor
  }
}

const isoTime = ({ expiresAt }: Listed): string | null => expiresAt === undefined ? null : new Date(expiresAt).toISOString()

export const kvCommand = defineCommand({
  meta: { name: 'kv', description: 'Read keys and values' },
  subCommands: { get, list },
})
