import type { Result, Row } from '../db/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import type { Checkpoint, PlacedRow } from './sql'
import { moveShards } from './sql'

type Query = <R extends Row>(statement: Statement) => Promise<Result<R>>

/**
 * Moves the positions of shards, and tells where the rows of those that have moved are now. Another is lost, or stands
 * elsewhere: nothing of its transaction may be kept. What a heartbeat has written at the same moment is not at its place any
 * more, and is looked for by its key.
 */
export async function movePositions(context: StatementContext, query: Query, consumer: string, checkpoints: Checkpoint[]): Promise<Map<number, string>> {
  const { rows } = await query<PlacedRow>(moveShards(context, { consumer, checkpoints }))
  const moved = new Map(rows.map(({ shard, place }) => [Number(shard), place]))
  const missing = checkpoints.filter(({ shard }) => !moved.has(shard))
  if (missing.length === 0) return moved
  const byKey = missing.map(checkpoint => ({ ...checkpoint, place: undefined }))
  const found = await query<PlacedRow>(moveShards(context, { consumer, checkpoints: byKey }))
  for (const { shard, place } of found.rows) moved.set(Number(shard), place)
  return moved
}
