import type { Row } from '../db/types'
import { toStoreError } from '../db/errors'
import type { StoreError } from '../shared/errors'
import { decodeCells } from '../tables/eventCodec'
import type { Select, Selection } from '../tables/select'
import type { GlobalRange } from './sql'
import { readGlobal, readSigns, readVersions } from './sql'
import { readMark } from '../sql/order'
import type { GlobalEvent, HighWaterMark } from './types'
import type { TierScope } from '../batch/tierScope'

const READ_ONLY = '25006'

interface MarkRow extends Row {
  head: string
  settled: string
  history: string
  standby: boolean
}

/** Which events to read: `(after, upTo]`, where `upTo` must be settled. */
export interface GlobalQuery extends Pick<GlobalRange, 'types' | 'correlationId' | 'since' | 'topics' | 'shards'> {
  after: bigint
  upTo: bigint
  subjects?: readonly string[] | undefined
  /** Events in one statement for one table. */
  page: number
}

export interface PagedEvent extends GlobalEvent {
  /** Of its subject, when shards were asked for. */
  shard?: number
}

/** What distinguishes an event from another event with the same id. */
export interface Sign {
  id: bigint
  subject: string
  version: string
  ts: string
}

/** Reads the events of all tables in the order of their ids. */
export interface GlobalReader {
  mark(): Promise<HighWaterMark>
  pages(query: GlobalQuery): AsyncGenerator<PagedEvent[]>
  /** Signs of those events with these ids that are in the log: of one subject, or of all. */
  signs(ids: bigint[], subject?: string): Promise<Sign[]>
  /** Signs of the newest events of each table up to each of these positions, oldest first. */
  newest(upTo: bigint[], limit?: number): Promise<Sign[]>
  /** The current versions of the subjects that have events. */
  versions(subjects: string[]): Promise<Map<string, string>>
}

/** The read state of one table; `rows` were fetched, and those from the index `at` on are not merged yet. */
interface Source {
  selection: Selection
  rows: unknown[][]
  at: number
  /** Of the row at `at`. */
  id: bigint
  after: bigint
  more: boolean
}

export function createGlobalReader({ context, use }: Pick<TierScope, 'context' | 'use'>, select: Select): GlobalReader {
  async function fill(source: Source, { upTo, page, types, correlationId, since, topics, shards }: GlobalQuery): Promise<void> {
    if (source.at < source.rows.length || !source.more) return
    const range = { after: String(source.after), upTo: String(upTo), limit: page, types, correlationId, since, topics, shards }
    source.rows = await use(session => session.queryLists(readGlobal(context, source.selection, range)))
    source.more = source.rows.length === page
    source.after = source.more ? idAt(source, page - 1) : upTo
    moveTo(source, 0)
  }

  async function signsOf(selections: Selection[], ids: bigint[], newest?: number): Promise<Sign[]> {
    const found = await Promise.all(selections.map(async (selection) => {
      const { rows } = await use(session => session.query(readSigns(context, selection, ids.map(String), newest)))
      return rows.map(row => toSign(selection, row))
    }))
    return found.flat().sort((a, b) => a.id < b.id ? -1 : 1)
  }

  return {
    async mark() {
      const { rows: [row] } = await use(session => session.query<MarkRow>(readMark(context)))
      if (row!.standby) throw onStandby()
      return { head: BigInt(row!.head), safePosition: BigInt(row!.settled), history: row!.history }
    },

    signs: (ids, subject) => signsOf(select(subject === undefined ? undefined : [subject]), ids),
    newest: (upTo, limit = 1) => signsOf(select(), upTo, limit),

    async versions(subjects) {
      const { rows } = await use(session => session.query<{ subject: string, version: string }>(readVersions(context, subjects)))
      return new Map(rows.map(({ subject, version }) => [subject, version]))
    },

    /** The settled part of the log never changes, so separate statements for each table and page are consistent. */
    async* pages(query) {
      if (query.after >= query.upTo) return
      const sources: Source[] = select(query.subjects).map(selection => ({ selection, rows: [], at: 0, id: query.after, after: query.after, more: true }))
      while (sources.some(source => source.more || source.at < source.rows.length)) {
        await Promise.all(sources.map(source => fill(source, query)))
        const page = merge(sources)
        if (page.length > 0) yield page
      }
    },
  }
}

const idAt = ({ rows }: Source, at: number): bigint => BigInt(rows[at]![0] as string)

function moveTo(source: Source, at: number): void {
  source.at = at
  if (at < source.rows.length) source.id = idAt(source, at)
}

/** Takes rows off the sources in order of id, until one of them has to be filled again. */
function merge(sources: Source[]): PagedEvent[] {
  const merged: PagedEvent[] = []
  for (;;) {
    let next: Source | undefined
    let others = false
    for (const source of sources) {
      if (source.at === source.rows.length) {
        if (source.more) return merged
        continue
      }
      others = next !== undefined
      if (!next || source.id < next.id) next = source
    }
    if (!next) return merged
    const end = others ? next.at + 1 : next.rows.length
    for (let at = next.at; at < end; at++) merged.push(toGlobal(next.selection, next.rows[at]!))
    moveTo(next, end)
  }
}

function toGlobal({ spec, subject }: Selection, cells: unknown[]): PagedEvent {
  const shard = cells[cells.length - 2] as number | null
  const key = cells[cells.length - 1] as string | null
  const event = decodeCells(spec, cells, 0, key ?? undefined)
  const text = subject.map(part => 'text' in part ? part.text : key!).join('')
  return shard === null ? { subject: text, event } : { subject: text, event, shard }
}

const toSign = ({ subject }: Selection, { id, version, ts, ...keys }: Row): Sign =>
  ({ id: BigInt(id as string), subject: subjectOf(subject, keys), version: String(version), ts: String(ts) })

const subjectOf = (parts: Selection['subject'], row: Row): string =>
  parts.map(part => 'text' in part ? part.text : row[part.column.name] as string).join('')

/** The error with which a standby refuses a write, as it is transient: reading continues once the standby is promoted. */
function onStandby(): StoreError {
  return toStoreError(Object.assign(new Error('readAll and subscribe need a primary: a standby does not know which transactions are in progress'), { code: READ_ONLY }))
}
