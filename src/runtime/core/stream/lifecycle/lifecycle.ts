import { columnNamed } from '../../shared/identifier'
import { checkCount, checkMembers, checkName, checkPosition, checkText } from '../../shared/checks'
import type { Row, Session } from '../../db/types'
import { decodeArchived, decodeEvent, encodeEvent } from '../../tables/eventCodec'
import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import type { Statement } from '../../sql/statement'
import { deleteEvents, deleteHead, deleteSnapshots } from './delete'
import { archiveEvents, archiveHead, deleteArchived, holdInPlace, putBack, takeArchived, unarchiveHead } from './archive'
import { dismissEvent, readDismissed, restoreEvent, truncateEvents } from './dismiss'
import type { EventsTable } from './dismiss'
import { REASON } from '../types'
import type { Reason, StreamOperations } from '../types'
import type { StreamScope } from '../streamScope'

const STEP = 1_000
const ARCHIVE: EventsTable = { table: 'events_archive', subject: [{ column: columnNamed('subject') }] }

type LifecycleCall = 'delete' | 'archive' | 'unarchive' | 'truncateBefore' | 'dismiss' | 'restore' | 'dismissed'

/** The calls that delete, archive and hide events, and restore them. None of them changes the id or version of an event. */
export function createStreamLifecycle(scope: StreamScope): Pick<StreamOperations, LifecycleCall> {
  const { context } = scope
  const routeOf = (subject: string) => scope.streamRoute(checkName('subject', subject))
  const atomic = <R>({ subject }: Route<StreamSpec>, work: (transaction: Session) => Promise<R>) =>
    scope.inOrder([subject], session => session.atomic(work))
  // An id does not tell the table or subject of its event, so the calls are queued by id. No subject begins with \0.
  const anywhere = (id: string, statement: (events: EventsTable) => Statement): Promise<boolean> => scope.inOrder([`\0${id}`], async (session) => {
    // Searches the log twice, since an event that is moved back from the archive meanwhile would be missed.
    for (const events of [...scope.streamTables, ARCHIVE, ...scope.streamTables]) {
      if ((await session.query(statement(events))).count > 0) return true
    }
    return false
  })

  return {
    async delete(subject) {
      const route = routeOf(subject)
      return atomic(route, async (transaction) => {
        // Head, log, archive: all calls take locks in this order.
        const head = await transaction.query(deleteHead(context, route.subject))
        await transaction.query(deleteSnapshots(context, route.subject))
        const events = head.count > 0 ? (await transaction.query(deleteEvents(context, route))).count : 0
        const archived = (await transaction.query(deleteArchived(context, route.subject))).count
        return events + archived > 0
      })
    },

    async archive(subject) {
      const route = routeOf(subject)
      return atomic(route, async (transaction) => {
        // The head first: concurrent appends wait for its lock and are then refused.
        const head = await transaction.query(archiveHead(context, route.subject))
        if (head.count === 0) return false
        await transaction.query(archiveEvents(context, route))
        return true
      })
    },

    async unarchive(subject) {
      const route = routeOf(subject)
      return atomic(route, async (transaction) => {
        const head = await transaction.query(unarchiveHead(context, route.subject))
        if (head.count === 0) return false
        for (let rows: Row[] | undefined; rows === undefined || rows.length === STEP;) {
          rows = (await transaction.query(takeArchived(context, route.subject, STEP))).rows
          if (rows.length > 0) await transaction.query(putBack(context, rows.map(row => returned(route, row))))
        }
        return true
      })
    },

    async truncateBefore(subject, version) {
      const route = routeOf(subject)
      const before = checkCount('version', version)
      return atomic(route, async (transaction) => {
        // Without this lock, events that are moved back meanwhile would be missed in both tables.
        await transaction.query(holdInPlace(context, route.subject))
        const live = await transaction.query(truncateEvents(context, route, before))
        const archived = await transaction.query(deleteArchived(context, route.subject, before))
        return live.count + archived.count
      })
    },

    async dismiss(id, reason) {
      const given = { id: checkPosition('id', id), ...checkReason(reason) }
      return anywhere(given.id, events => dismissEvent(context, events, given))
    },

    async restore(id) {
      const given = checkPosition('id', id)
      return anywhere(given, events => restoreEvent(context, events, given))
    },

    async dismissed(subject) {
      const route = routeOf(subject)
      const { rows } = await scope.use(session => session.query(readDismissed(context, route)))
      return rows.map((row) => {
        const { reason, by, at } = JSON.parse(row.dismissed as string) as Reason & { at: number }
        return { event: decodeEvent(route.spec, row), reason, by, at }
      })
    },
  }
}

function returned(route: Route<StreamSpec>, stored: Row) {
  return { route, stored, ...encodeEvent(route, decodeArchived(stored)) }
}

function checkReason(value: unknown): Reason {
  const { reason, by } = checkMembers('reason', value, REASON)
  return { reason: checkText('reason.reason', reason, Number.MAX_SAFE_INTEGER), by: checkText('reason.by', by) }
}
