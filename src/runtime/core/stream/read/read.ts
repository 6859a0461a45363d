import { checkBoolean, checkCount, checkName, checkOptions, rejecting } from '../../shared/checks'
import type { Call, Operation } from '../../batch/operation'
import type { Row } from '../../db/types'
import { invalidValue } from '../../shared/errors'
import { decodeArchived, decodeCells, versionOf } from '../../tables/eventCodec'
import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { StatementContext } from '../../sql/template'
import { readBoth } from '../lifecycle/archive'
import { listHeads, readCurrent } from './heads'
import type { ReadInput, ReadRange } from './sql'
import { rangeKey, rangeShape, readEvents } from './sql'
import { ITERATE_OPTIONS, STREAM_LIST_OPTIONS, STREAM_READ_OPTIONS } from '../types'
import type { EventRecord } from '../../shared/event'
import type { StreamHead, StreamOperations } from '../types'
import { MAX_SHARED_PAGE, byInput } from '../../batch/answers'
import { nextCursor, readListing } from '../../sql/listing'
import { readRange } from './range'
import type { StreamScope } from '../streamScope'

const DEFAULT_PAGE_SIZE = 1_000

/** The calls that read events and heads of streams. */
export function createStreamHistory(scope: StreamScope): Pick<StreamOperations, 'read' | 'iterate' | 'current' | 'list'> {
  const { context } = scope

  const page = pageOperation(context)

  async function readRoute(route: Route<StreamSpec>, range: ReadRange, archived: boolean): Promise<EventRecord[]> {
    return scope.use(async (session, tables) => {
      if (!archived) return page.one(session, tables, { route, range })
      return merge(route, await session.queryLists(readBoth(context, { route, range })), range)
    })
  }

  return {
    read: rejecting((subject, options) => {
      const route = scope.streamRoute(checkName('subject', subject))
      const given = checkOptions('options', options, STREAM_READ_OPTIONS)
      const [range, archived] = [readRange(given), checkArchived(given.archived)]
      return archived || !isShared(range) ? readRoute(route, range, archived) : scope.sendRead(page, callOf({ route, range }))
    }),

    async* iterate(subject, options) {
      const route = scope.streamRoute(checkName('subject', subject))
      const { pageSize: wanted = DEFAULT_PAGE_SIZE, ...given } = checkOptions('options', options, ITERATE_OPTIONS)
      const pageSize = checkCount('options.pageSize', wanted)
      if (pageSize === 0) throw invalidValue('options.pageSize', 'must be at least 1')
      let range: ReadRange | undefined = readRange(given)
      const archived = checkArchived(given.archived)
      for (let left = range.limit ?? Infinity; range && left > 0;) {
        const page = await readRoute(route, { ...range, limit: Math.min(pageSize, left) }, archived)
        yield* page
        left -= page.length
        range = page.length < pageSize ? undefined : onward(range, page.at(-1)!)
      }
    },

    async current(subject) {
      const route = scope.streamRoute(checkName('subject', subject))
      return scope.use(async (session) => {
        const { rows: [head] } = await session.query(readCurrent(context, route))
        return head ? { ...headOf(head), position: head.position === null ? null : String(head.position) } : null
      })
    },

    async list(options) {
      const listing = readListing(checkOptions('options', options, STREAM_LIST_OPTIONS))
      const { rows } = await scope.use(session => session.query(listHeads(context, listing)))
      const streams = rows.map(row => ({ subject: row.subject as string, ...headOf(row) }))
      return { streams, cursor: nextCursor(streams.map(({ subject }) => subject), listing) }
    },
  }
}

function pageOperation(context: StatementContext): Operation<ReadInput, EventRecord[]> {
  return {
    async one(session, _, input) {
      return decodePage(input.route, await session.queryLists(readEvents(context, [input])), 0)
    },
    async many(session, _, groups) {
      const single = groups.length === 1
      const rows = await session.queryLists(readEvents(context, groups.map(({ folded }) => single ? folded : limited(folded))))
      const found = byInput(rows, groups.length, row => row[0])
      return groups.map(({ calls, folded: { route, range } }, at) => {
        const isCut = !single && range.limit === undefined && found[at]!.length > MAX_SHARED_PAGE
        return isCut ? undefined : calls.map(() => decodePage(route, found[at]!, single ? 0 : 1))
      })
    },
    fold: first => first,
  }
}

function decodePage({ spec, keys }: Route<StreamSpec>, rows: unknown[][], first: number): EventRecord[] {
  const key = keys.at(-1)
  return rows.map(row => decodeCells(spec, row, first, key))
}

/** Whether a read may share a statement. A filter by type may scan a whole subject, and large pages delay other calls. */
function isShared({ types, limit = 0 }: ReadRange): boolean {
  return types === undefined && limit <= MAX_SHARED_PAGE
}

/** Reads one row more than a shared page may have, to detect that there are more. */
function limited({ route, range }: ReadInput): ReadInput {
  return range.limit === undefined ? { route, range: { ...range, limit: MAX_SHARED_PAGE + 1 } } : { route, range }
}

function callOf(input: ReadInput): Call<ReadInput> {
  const { route: { spec, keys, subject }, range } = input
  return {
    kind: `${spec.table} ${spec.partition ? keys[0] : ''} ${rangeShape(range)}`,
    key: `${subject}\0${rangeKey(range)}`,
    input,
    bytes: subject.length,
  }
}

function headOf(row: Row): Omit<StreamHead, 'position'> {
  const archivedAt = row.archived_at === null ? {} : { archivedAt: Number(row.archived_at) }
  return { version: Number(row.version), lastTs: Number(row.last_ts), ...archivedAt }
}

/** The remaining range after an event. */
function onward(range: ReadRange, last: EventRecord): ReadRange | undefined {
  const version = versionOf(last)
  if (range.order === 'asc') return { ...range, fromVersion: version + 1 }
  return version > 1 ? { ...range, toVersion: version - 1 } : undefined
}

/** Merges rows of the log and the archive in order. In a row of the archive, the last column holds the record. */
function merge({ spec, keys }: Route<StreamSpec>, rows: unknown[][], { order, limit }: ReadRange): EventRecord[] {
  const direction = order === 'asc' ? 1 : -1
  const events = rows.map((row) => {
    const [id, ts, version, type] = row
    const record = row.at(-1)
    return record === null ? decodeCells(spec, row, 0, keys.at(-1)) : decodeArchived({ id, ts, version, type, record })
  })
  return events.sort((a, b) => direction * (versionOf(a) - versionOf(b))).slice(0, limit)
}

function checkArchived(value: unknown): boolean {
  return value === undefined ? false : checkBoolean('options.archived', value)
}
