import type { Names } from '../shared/identifier'
import { quoteLiteral } from '../shared/identifier'
import { digestOf } from '../shared/advisoryLock'
import type { Statement } from './statement'
import type { StatementContext } from './template'

/** What the appenders of one store agree on, so that readers know which of them are at work. */
export interface OrderKey {
  /** First half of the advisory lock's key; the second one says behind which id its holder appends. */
  lock: number
  /** The setting that tells a transaction that it holds its lock. */
  setting: string
  /** The channel that wakes readers. Lower case: PGlite folds channel names. */
  channel: string
}

/** Ids go into the second half of a lock's key modulo this: transactions live for far fewer ids. */
export const ID_RANGE = 2 ** 31

/** Advisory locks and channels belong to a database: schema and prefix make them one store's own. */
export function orderKey({ schema, prefix }: Pick<Names, 'schema' | 'prefix'>): OrderKey {
  const digest = digestOf('order', JSON.stringify([schema, prefix]))
  const name = digest.subarray(0, 12).toString('hex')
  return { lock: digest.readUInt32BE(12) % ID_RANGE, setting: `nvent.order_${name}`, channel: `nvent_${name}` }
}

/**
 * A scalar for the statement that appends: a lower bound of the ids it will take. While it is computed, the
 * transaction takes a shared advisory lock that carries this bound. It has to be part of the head row, so that the
 * lock is there before the row's lock and before the first id. Later appends of a transaction need none: the second
 * one leaves a note, which the first one, most often alone in its transaction, is spared.
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
 * How far the order is settled: `head` is the newest id given out, `settled` the newest one behind which nothing is
 * under way. Whoever may still commit an id up to `head` took it before the sequence is read here, and its lock
 * before that: it is among the locks, which are listed afterwards (the list needs the row of the sequence). A standby
 * knows neither those locks nor where the sequence really is.
 * `history` is another one after a restart, when another server answers, and for another database of the same name.
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

/** Wakes the readers of other processes. Nothing depends on it, so it need not wait for the disk. */
export function notifyReaders(context: StatementContext): Statement {
  return {
    ...context.cache.compile('notify', () => `
select pg_catalog.set_config('synchronous_commit', 'off', true), pg_catalog.pg_notify(${quoteLiteral(orderKey(context.names).channel)}, '')`),
    values: [],
  }
}
