import type { Names } from '../shared/identifier'
import { quoteLiteral } from '../shared/identifier'
import { digestOf } from '../shared/advisoryLock'
import type { Statement } from './statement'
import type { StatementContext } from './template'

/** The keys that all appending instances of one store share, so that readers can see which appends have not committed. */
export interface OrderKey {
  /** First half of the advisory lock's key. The second half is a lower bound of the ids that its holder takes. */
  lock: number
  /** The setting in which a transaction records that it holds the lock. */
  setting: string
  /** NOTIFY channel that wakes readers. Lower case, because PGlite folds channel names. */
  channel: string
}

/** Ids are stored in the second half of a lock's key modulo this number, which is far more ids than any transaction spans. */
export const ID_RANGE = 2 ** 31

/** Advisory locks and channels are database-wide: schema and prefix make the keys unique to one store. */
export function orderKey({ schema, prefix }: Pick<Names, 'schema' | 'prefix'>): OrderKey {
  const digest = digestOf('order', JSON.stringify([schema, prefix]))
  const name = digest.subarray(0, 12).toString('hex')
  return { lock: digest.readUInt32BE(12) % ID_RANGE, setting: `nvent.order_${name}`, channel: `nvent_${name}` }
}

/**
 * A scalar expression for the appending statement: a lower bound of the ids it will take. Evaluating it takes a shared
 * advisory lock whose key contains this bound. It has to be part of the head row, so that the lock is held before the
 * row's lock and before the first id is taken. Later appends of the same transaction need no further lock. Only the
 * second append records that in a setting: most transactions have a single append, which saves the cost.
 */
export function enterOrder(context: StatementContext): string {
  const { lock, setting } = orderKey(context.names)
  const held = quoteLiteral(setting)
  const enter = `pg_catalog.pg_advisory_xact_lock_shared(${lock}, ((last_value - (not is_called)::int) % ${ID_RANGE})::int)`
  return `(
    select last_value from ${context.names.table('events_id_seq')}
    where case when pg_catalog.pg_current_xact_id_if_assigned() is null then ${enter} is not null
      else coalesce(pg_catalog.current_setting(${held}, true), '') <> '' or pg_catalog.set_config(${held}, 'held' || ${enter}::text, true) <> '' end
  )`
}

/**
 * The high-water mark of the global order. `head` is the newest id that was given out. `settled` is the safe position:
 * no transaction can still commit an event at or below it. A transaction that can still commit an id up to `head` took
 * the id before the sequence is read here, and its lock before that, so its lock is in the list: the list is read after
 * the sequence, because it needs the sequence's row. A standby sees neither those locks nor the current value of the
 * sequence. `history` identifies the server and database: it changes after a restart, after a failover, and for another
 * database of the same name.
 */
export function readMark(context: StatementContext): Statement {
  const { lock } = orderKey(context.names)
  const database = '(select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())'
  const behind = `(mark.head - l.objid::bigint + ${ID_RANGE}) % ${ID_RANGE}`
  return {
    ...context.cache.compile('mark', () => `
select mark.head, least(mark.head, (
  select pg_catalog.min(mark.head - ${behind})
  from pg_catalog.pg_locks l
  where l.locktype = 'advisory' and l.classid = ${lock}::oid and l.objsubid = 2 and ${behind} < ${ID_RANGE / 2}
    and l.database = ${database}
)) as settled, extract(epoch from pg_catalog.pg_postmaster_start_time())::text || ' '::text || ${database}::text as history,
  pg_catalog.pg_is_in_recovery() as standby
from (select last_value - (not is_called)::int as head from ${context.names.table('events_id_seq')}) as mark`),
    values: [],
  }
}

/** Wakes the readers of other processes. A lost notification does no harm, so the commit does not wait for the disk. */
export function notifyReaders(context: StatementContext): Statement {
  return {
    ...context.cache.compile('notify', () => `
select pg_catalog.set_config('synchronous_commit', 'off', true), pg_catalog.pg_notify(${quoteLiteral(orderKey(context.names).channel)}, '')`),
    values: [],
  }
}
