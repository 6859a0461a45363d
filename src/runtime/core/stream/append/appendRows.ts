import { constraintOf } from '../../db/errors'
import type { Row, Session, StreamTables } from '../../db/types'
import { StoreError, isStoreError } from '../../shared/errors'
import { decodeArchived, decodeEvent, recordOf } from '../../tables/eventCodec'
import type { StatementContext } from '../../sql/template'
import { queryFenced } from './fence'
import { partitionOf } from './input'
import type { AppendInput } from './input'
import { appendEvents } from './sql'
import { readArchivedIds } from '../lifecycle/archive'
import { readByEventIds } from '../read/heads'
import type { EventRecord } from '../../shared/event'

const UNIQUE_VIOLATION = '23505'
// Each attempt fails only when a concurrent append commits the same id. So many in a row point to a bug.
const MAX_ATTEMPTS = 8

interface StoredRow extends Row {
  id: string
  ts: string
  version: string
  /** Value of the last key column, where an input may have no row. */
  key?: string
  /** Whether the row is in the default partition; undefined for tables without partitions. */
  unplaced?: boolean
}

/** Everything an append needs to run. */
export interface Appending {
  context: StatementContext
  session: Session
  tables: StreamTables
  /** Up to which this process knows what has to run in the transaction of an append. */
  fence: string
  /** Called for each event that was not there before. */
  onNew?: (subject: string, event: EventRecord) => void
}

/**
 * Appends inputs of one partition and one mode, either all with ids or all without.
 * @returns a record for each input: the new one, or the existing one with its id; undefined where the expectation was
 * not met
 */
export async function appendRows(on: Appending, inputs: AppendInput[]): Promise<(EventRecord | undefined)[]> {
  const firsts = withoutRepeats(inputs)
  const rows = await insert(on, firsts)
  if (rows.some(row => row.unplaced)) await on.tables.place(on.session, partitionOf(inputs[0]!))
  // Ids were assigned in the order of the inputs.
  rows.sort((a, b) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1))
  const records = rows.length === inputs.length
    ? inputs.map((input, at) => recordOf(input.route, input, rows[at]!))
    : inputs[0]!.eventId === undefined ? byKey(inputs, rows) : await knownRecords(on, inputs)
  if (on.onNew) tellNew(on.onNew, rows, inputs, records)
  return records
}

/** Some records are those of earlier appends with the same id, and calls with one id have one record. */
function tellNew(onNew: NonNullable<Appending['onNew']>, rows: StoredRow[], inputs: AppendInput[], records: (EventRecord | undefined)[]): void {
  const ids = new Set(rows.map(({ id }) => id))
  records.forEach((record, at) => {
    if (record && ids.delete(record.id)) onNew(inputs[at]!.route.subject, record)
  })
}

/** The existing records with the ids of the inputs, from the log or the archive; undefined where there is none. */
export async function knownRecords({ context, session }: Pick<Appending, 'context' | 'session'>, inputs: AppendInput[]): Promise<(EventRecord | undefined)[]> {
  const { rows } = await session.query(readByEventIds(context, inputs))
  const records = new Map(rows.map(row => [Number(row.ord), decodeEvent(inputs[0]!.route.spec, row)]))
  const missing = inputs.map((_, at) => at).filter(at => !records.has(at + 1))
  if (missing.length > 0) {
    const archived = await session.query(readArchivedIds(context, missing.map(at => inputs[at]!)))
    for (const row of archived.rows) records.set(missing[Number(row.ord) - 1]! + 1, decodeArchived(row))
  }
  return inputs.map((_, at) => records.get(at + 1))
}

export function archivedError(subject: string, cause?: unknown): StoreError {
  return new StoreError('ARCHIVED', `stream ${JSON.stringify(subject)} is archived and takes no more events; unarchive() takes it back into the log`, {
    cause, details: { subject, ...(isStoreError(cause) && cause.details) },
  })
}

async function insert({ context, session, fence }: Appending, inputs: AppendInput[]): Promise<StoredRow[]> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await queryFenced<StoredRow>(session, appendEvents(context, inputs, fence))).rows
    }
    catch (error) {
      const sqlState = isStoreError(error) ? error.details.sqlState : undefined
      if (constraintOf(error) === `${context.names.prefix}_heads_archived`) throw archivedError(inputs[0]!.route.subject, error)
      // An event with this id was committed while the statement waited; the next statement sees it.
      const mayRepeat = inputs[0]!.eventId !== undefined && !session.inTransaction && attempt < MAX_ATTEMPTS
      if (sqlState !== UNIQUE_VIOLATION || !mayRepeat) throw error
    }
  }
}

/** The first of the inputs with the same id on the same subject. */
function withoutRepeats(inputs: AppendInput[]): AppendInput[] {
  if (inputs.length === 1 || inputs[0]!.eventId === undefined) return inputs
  const firsts = new Map<string, AppendInput>()
  for (const input of inputs) {
    const name = `${input.route.subject}\0${input.eventId}`
    if (!firsts.has(name)) firsts.set(name, input)
  }
  return [...firsts.values()]
}

/** Assigns rows to inputs by key, when some inputs have no row because their expectation was not met. */
function byKey(inputs: AppendInput[], rows: StoredRow[]): (EventRecord | undefined)[] {
  const taken = new Map<string, StoredRow[]>()
  for (const row of rows) taken.set(row.key!, [...taken.get(row.key!) ?? [], row])
  return inputs.map((input) => {
    const row = taken.get(input.route.keys.at(-1)!)?.shift()
    return row && recordOf(input.route, input, row)
  })
}

export function isComplete(records: (EventRecord | undefined)[]): records is EventRecord[] {
  return !records.includes(undefined)
}
