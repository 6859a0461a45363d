import type { Use } from '../batch/operation'
import type { Row, Session } from '../db/types'
import type { GlobalReader } from '../log/reader'
import { checkMembers, checkName, checkStoredPosition } from '../shared/checks'
import { StoreError, invalidValue } from '../shared/errors'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { lockConsumer, readConsumers, removeConsumer, resetConsumer } from './adminSql'
import { CONSUMER_RESET_OPTIONS } from './adminTypes'
import type { ConsumerInfo, ConsumersAdmin } from './adminTypes'

interface ConsumersAdminOptions {
  context: StatementContext
  use: Use
  reader: GlobalReader
}

/** What operators see and change of the consumers in the database. */
export function createConsumersAdmin({ context, use, reader }: ConsumersAdminOptions): ConsumersAdmin {
  async function read(name: string | null): Promise<ConsumerInfo[]> {
    return (await readInfos({ context, use, reader }, name)).infos
  }

  /** @throws {StoreError} INVALID_CALL */
  async function requireStopped(session: Session, name: string): Promise<void> {
    const { rows: [row] } = await session.query(readConsumers(context, name))
    const [held, members, leased] = [Number(row?.held ?? 0), Number(row?.members ?? 0), Number(row?.leased ?? 0)]
    if (leased > 0) {
      throw new StoreError('INVALID_CALL', `consumer ${JSON.stringify(name)} is at work: ${members} workers have leases of ${leased} subjects; stop them, and wait until the leases have run out`, { details: { consumer: name, members, leased } })
    }
    if (held + members > 0) {
      throw new StoreError('INVALID_CALL', `consumer ${JSON.stringify(name)} is at work: ${members} processes hold ${held} of its shards; stop it in all of them (what a process that is gone has held is free after its leaseMs)`, { details: { consumer: name, members, held } })
    }
  }

  async function positionOf(to: unknown): Promise<string> {
    if (to === 'start') return '0'
    const { safePosition, head } = await reader.mark()
    if (to === 'now') return String(safePosition)
    const position = checkStoredPosition('options.to', to)
    if (BigInt(position) > head) throw invalidValue('options.to', `must not be behind the newest event of the log, ${head}: events that come would not be handled; to skip all that there are, give 'now'`)
    return position
  }

  /** Changes a consumer while no process works for it. */
  const change = (name: string, statements: Statement[]): Promise<boolean> => use(session => session.atomic(async (inside) => {
    const { count } = await inside.query(lockConsumer(context, name))
    if (count === 0) return false
    await requireStopped(inside, name)
    for (const statement of statements) await inside.query(statement)
    return true
  }))

  return {
    list: () => read(null),
    get: async name => (await read(checkName('name', name)))[0] ?? null,
    remove: async name => change(checkName('name', name), removeConsumer(context, name)),
    async reset(name, given) {
      const { to } = checkMembers('options', given, CONSUMER_RESET_OPTIONS)
      checkName('name', name)
      return change(name, resetConsumer(context, name, await positionOf(to)))
    },
  }
}

/** All consumers, or one, and the newest event of the log. */
export async function readInfos({ context, use, reader }: ConsumersAdminOptions, name: string | null): Promise<{ infos: ConsumerInfo[], head: bigint }> {
  // Positions before the mark: in the other order a consumer could be ahead of it.
  const { rows } = await use(session => session.query(readConsumers(context, name)))
  const { head } = await reader.mark()
  return { infos: rows.map(row => toInfo(row, head)), head }
}

function toInfo(row: Row, head: bigint): ConsumerInfo {
  const position = String(row.position)
  return {
    name: row.name as string, position, head: String(head), lag: Math.max(0, Number(head - BigInt(position))), lagMs: Math.floor(Number(row.lag_ms)), staleMs: Math.floor(Number(row.stale_ms)),
    shards: { all: Number(row.shards), held: Number(row.held) }, members: Number(row.members), leased: Number(row.leased), parked: Number(row.parked), blocked: Number(row.blocked),
    deadLetters: Number(row.dead_letters), createdAt: Number(row.created_at),
  }
}
