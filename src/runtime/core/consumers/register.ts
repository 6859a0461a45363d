import type { Use } from '../batch/operation'
import type { GlobalReader } from '../log/reader'
import { StoreError } from '../shared/errors'
import type { StatementContext } from '../sql/template'
import { otherShards } from './settings'
import type { ConsumerSettings } from './settings'
import { registerConsumer } from './sql'
import type { RegisteredRow } from './sql'

interface RegisterParts {
  context: StatementContext
  call: Use
  reader: GlobalReader
}

/**
 * Makes a consumer, unless it is there. Returns its kind: whether its events are claimed with `store.leases`, or it is a relay.
 * @throws {StoreError} when it is there, and can't be used as it is meant
 */
export async function registerIn({ context, call, reader }: RegisterParts, given: Pick<ConsumerSettings, 'name' | 'shards' | 'from'> & { pull: string | null }): Promise<{ isPull: boolean, isRelay: boolean }> {
  const { name, shards, from, pull } = given
  const position = from === 'start' ? '0' : from === 'now' ? String((await reader.mark()).safePosition) : from
  const statement = registerConsumer(context, { consumer: name, shards, position, pull })
  const ask = async () => (await call(session => session.query<RegisteredRow>(statement))).rows[0]
  // No row: another process was making it in that moment, and its row is there now.
  const row = await ask() ?? await ask()
  if (row!.shards !== shards) throw otherShards(name, row!.shards, shards)
  if (!row!.same_hash) throw new StoreError('INVALID_CALL', `the server's hash function is another one than when consumer ${JSON.stringify(name)} was made: its subjects are in other shards now; make a consumer of another name from the lowest position of this one`, { details: { consumer: name } })
  return { isPull: row!.is_pull, isRelay: row!.is_relay }
}
