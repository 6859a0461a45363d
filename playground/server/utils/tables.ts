import { tableOf } from 'nvent-store-postgres/core'
import type { Call, Tier } from '~/types/desk'

/** Generic streams share this table, of which each subject type that has events is a partition with a name of its own. */
const SHARED = tableOf('stream', 'orders:1001')

/** Subject types with their tables. A table that is there stays. */
const known = new Map<string, string>()

/** The table a call goes to; that of a stream may get another name, see below. */
export function tableOfCall(tier: Tier, args: unknown[]): string {
  if (tier === 'deadLetters') return 'nvent_dead_letters'
  if (tier === 'admin.consumers') return 'nvent_consumers'
  return tableOf(tier, String(args[0]))
}

/** Lets calls to generic streams name the table of their subject's type, as soon as it has one. */
export async function nameTables(calls: Call[]): Promise<void> {
  const unnamed = calls.filter(({ tier, table }) => tier === 'stream' && table === SHARED)
  if (unnamed.some(call => !known.has(typeOf(call)))) {
    for (const { subjectPrefix, tableName } of await useStore().admin.streamTables()) known.set(subjectPrefix, tableName)
  }
  for (const call of unnamed) call.table = known.get(typeOf(call)) ?? SHARED
}

/** All streams of this app are named like `orders:1001`. */
const typeOf = ({ args }: Call): string => String(args[0]).split(':')[0] ?? ''
