import { checkArray, checkCount, checkFunction, checkName, checkNumber, checkOptions, checkPosition, checkText } from '../arguments'
import type { Operation } from '../batch/batcher'
import type { Row, Session, StreamTables } from '../db/types'
import { invalidValue } from '../errors'
import { decodeEvent, encodeEvent, valueFields } from '../spec/event'
import type { StatementContext } from '../statements/context'
import type { AppendInput, ReadRange } from '../statements/stream'
import { appendEvents, deleteEvents, deleteHead, readEvents } from '../statements/stream'
import type { AppendManyOptions, EventRecord, StreamReadOptions, StreamSurface } from '../types/index'
import type { Scope } from './scope'

// The last double before what a bigint can hold.
const LAST_TIME = 2 ** 63 - 1024
// Events in one statement of an import.
const MAX_STEP = 5_000

export function createStreamSurface(scope: Scope): Omit<StreamSurface, 'subscribe' | 'of'> {
  const { context } = scope
  const append = appendOperation(context)
  return {
    async append(subject, event) {
      const route = scope.streamRoute(checkName('subject', subject))
      const input: AppendInput = { route, ...encodeEvent(route, event) }
      return scope.send(append, { kind: `${route.spec.table} ${partitionOf(input)}`, key: subject, input, bytes: sizeOf(input) })
    },

    async appendMany(subject, events, options) {
      const route = scope.streamRoute(checkName('subject', subject))
      const inputs: AppendInput[] = checkArray('events', events).map((event, at) => ({ route, ...encodeEvent(route, event, `events.${at}`) }))
      const { onProgress } = checkOptions('options', options)
      if (onProgress !== undefined) checkFunction('options.onProgress', onProgress)
      return scope.use((session, tables) => appendSteps(context, session, tables, inputs, onProgress))
    },

    async read(subject, options) {
      const route = scope.streamRoute(checkName('subject', subject))
      const range = readRange(checkOptions('options', options))
      const { rows } = await scope.use(session => session.query(readEvents(context, route, range)))
      return rows.map(row => decodeEvent(route.spec, row))
    },

    async delete(subject) {
      const route = scope.streamRoute(checkName('subject', subject))
      return scope.use(session => session.atomic(async (transaction) => {
        const head = await transaction.query(deleteHead(context, route.subject))
        if (head.count === 0) return false
        const events = await transaction.query(deleteEvents(context, route))
        return events.count > 0
      }))
    },
  }
}

/** One statement, or as many as an import needs in one transaction. */
async function appendSteps(
  context: StatementContext, session: Session, tables: StreamTables, inputs: AppendInput[],
  onProgress: AppendManyOptions['onProgress'],
): Promise<EventRecord[]> {
  if (inputs.length > MAX_STEP && !session.inTransaction) {
    // The subject's table is made first: an import would be too much to move into it later.
    await tables.place(session, partitionOf(inputs[0]!))
    return session.atomic(transaction => appendSteps(context, transaction, tables, inputs, onProgress))
  }
  const records: EventRecord[] = []
  for (let at = 0; at < inputs.length; at += MAX_STEP) {
    const step = inputs.slice(at, at + MAX_STEP)
    const rows = await appendRows(context, session, tables, step)
    step.forEach((input, of) => records.push(recordOf(input, rows[of]!)))
    onProgress?.({ appended: records.length, total: inputs.length })
  }
  return records
}

/** What the database gave each input, in their order. */
async function appendRows(context: StatementContext, session: Session, tables: StreamTables, inputs: AppendInput[]): Promise<StoredRow[]> {
  const { rows } = await session.query<StoredRow>(appendEvents(context, inputs))
  if (rows[0]!.unplaced) await tables.place(session, partitionOf(inputs[0]!))
  // Ids were given in the order of the inputs.
  return rows.sort((a, b) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1))
}

function appendOperation(context: StatementContext): Operation<AppendInput, EventRecord> {
  return {
    async one(session, tables, input) {
      const [stored] = await appendRows(context, session, tables, [input])
      return recordOf(input, stored!)
    },
    async many(session, tables, groups) {
      const rows = await appendRows(context, session, tables, groups.flatMap(group => group.inputs))
      let at = 0
      return groups.map(group => group.inputs.map(input => recordOf(input, rows[at++]!)))
    },
    // Every event gets a row of its own; those of one subject go out in order.
    fold: first => first,
  }
}

interface StoredRow extends Row {
  id: string
  ts: string
  /** In the partition for everything without a table of its own. */
  unplaced: boolean
}

const partitionOf = ({ route }: AppendInput) => route.spec.partition ? route.keys[0]! : ''

/** The record as `read` gives it, made of what was sent and what the database added. */
function recordOf(input: AppendInput, stored: Row): EventRecord {
  const { spec, keys } = input.route
  const row: Row = { id: stored.id, ts: stored.ts, type: input.type, [spec.rest]: input.rest }
  valueFields(spec).forEach((field, at) => {
    row[field.column] = input.columns[at]
  })
  for (const field of Object.values(spec.fields)) {
    if (field.type === 'key') row[field.column] = keys.at(-1)
  }
  return decodeEvent(spec, row)
}

function sizeOf(input: AppendInput): number {
  return input.columns.reduce<number>((size, value) => size + (typeof value === 'string' ? value.length : 8), 64 + (input.rest?.length ?? 0))
}

function readRange(options: StreamReadOptions): ReadRange {
  const { types, after, before, from, to, limit, order = 'asc' } = options
  if (order !== 'asc' && order !== 'desc') throw invalidValue('options.order', `must be 'asc' or 'desc', not ${JSON.stringify(order)}`)
  if (types !== undefined && !Array.isArray(types)) throw invalidValue('options.types', 'must be an array of event types')
  return {
    order,
    types: types?.map((type, at) => checkText(`options.types.${at}`, type)),
    after: after === undefined ? undefined : checkPosition('options.after', after),
    before: before === undefined ? undefined : checkPosition('options.before', before),
    from: from === undefined ? undefined : milliseconds(Math.ceil(checkNumber('options.from', from))),
    to: to === undefined ? undefined : milliseconds(Math.floor(checkNumber('options.to', to))),
    limit: limit === undefined ? undefined : checkCount('options.limit', limit),
  }
}

/** Times no bigint can hold are as far away as the last one it can. */
function milliseconds(time: number): string {
  return BigInt(Math.min(Math.max(time, -LAST_TIME), LAST_TIME)).toString()
}
