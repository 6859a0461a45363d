import type { Db, Pooler, Queryable } from '../db/types'
import { sqlStateOf, toStoreError } from '../db/errors'
import type { StoreError } from '../shared/errors'
import { quoteIdentifier } from '../shared/identifier'
import { CLOCK, epochMs } from '../sql/clock'
import type { Check, Finding, Examined } from './types'
import { fail, ok, warn } from './types'

const OLDEST_SERVER = 140_000
const MAX_SKEW_MS = 1_000
const FULL_SHARE = 0.8
const SAMPLES = 3

export const connectionCheck: Check = {
  name: 'connection',
  async run({ db }) {
    try {
      const times = []
      for (let at = 0; at < SAMPLES; at++) times.push((await askTime(db)).took)
      return [ok(`${db.driver} database ${db.label} answers in ${Math.min(...times).toFixed(1)} ms`)]
    }
    catch (error) {
      const reason = toStoreError(error)
      return [fail(`${db.label} does not answer: ${reason.message}`, grantConnect(db, reason) ?? 'check host, port, user, password, TLS, and that the server is up and reachable from here')]
    }
  },
}

// The server's routine that checks whether a role may connect. The same error code from another routine is about the
// settings in the connection's `options`.
const MAY_CONNECT = 'CheckMyDatabase'

function grantConnect({ login }: Db, reason: StoreError): string | undefined {
  const { routine } = (reason.cause ?? {}) as { routine?: string }
  if (!login || routine !== MAY_CONNECT || sqlStateOf(reason) !== '42501') return undefined
  return `grant connect on database ${quoteIdentifier(login.database)} to ${quoteIdentifier(login.user)};`
}

export const version: Check = {
  name: 'server version',
  async run({ db }) {
    const { rows: [row] } = await db.query<{ number: string, version: string }>({
      text: 'select pg_catalog.current_setting(\'server_version_num\') as number, pg_catalog.current_setting(\'server_version\') as version', values: [],
    })
    return Number(row!.number) >= OLDEST_SERVER
      ? [ok(`PostgreSQL ${row!.version}`)]
      : [fail(`PostgreSQL ${row!.version} is older than 14`, 'upgrade the server to PostgreSQL 14 or newer')]
  },
}

const poolers: Record<Pooler, (examined: Examined) => Finding> = {
  none: () => ok('no pooler between this process and the server'),
  session: () => ok('a pooler in session mode: each connection of this process has its own server connection'),
  transaction: ({ options }) => options.prepare
    ? warn('a pooler in transaction mode, while statements are prepared under names', 'set `prepare: false`, unless the pooler keeps names (PgBouncer 1.21 and newer with max_prepared_statements)')
    : ok('a pooler in transaction mode, and `prepare` is off'),
}

export const pooler: Check = {
  name: 'pooler',
  server: true,
  async run(examined) {
    const { db } = examined
    if (db.flags.connections === 'one') return [ok('not checked: this takes two connections')]
    return [poolers[await db.pooler()](examined)]
  },
}

export const connections: Check = {
  name: 'connections',
  server: true,
  async run({ db }) {
    const { rows: [row] } = await db.query<{ open: string, max: number }>({
      text: `select pg_catalog.count(*) as open, pg_catalog.current_setting('max_connections')::integer
        - pg_catalog.current_setting('superuser_reserved_connections')::integer as max
        from pg_catalog.pg_stat_activity where backend_type = 'client backend'`,
      values: [],
    })
    const [open, max] = [Number(row!.open), row!.max]
    const message = `${open} of ${max} connections of the server are in use`
    return open < max * FULL_SHARE ? [ok(message)] : [warn(message, 'lower `poolSize`, raise `max_connections`, or put a pooler in front')]
  },
}

export const clock: Check = {
  name: 'clock',
  server: true,
  async run({ db }) {
    const { took, skew } = await askTime(db)
    // The measurement is exact to half of the round trip.
    if (Math.abs(skew) <= MAX_SKEW_MS + took / 2) return [ok('the clocks of this machine and the server agree')]
    return [warn(
      `the server's clock is ${(Math.abs(skew) / 1000).toFixed(1)} s ${skew > 0 ? 'ahead of' : 'behind'} this machine's`,
      'times of events and expiry are the server\'s: don\'t compare them with this machine\'s; run NTP on both',
    )]
  },
}

/** Reads the server's clock: how far it is ahead of this machine's, and the round trip time, in milliseconds. */
async function askTime(db: Queryable): Promise<{ took: number, skew: number }> {
  const before = Date.now()
  const started = performance.now()
  const { rows: [row] } = await db.query<{ now: number }>({
    text: `select (${epochMs(CLOCK)})::double precision as now`, values: [],
  })
  const took = performance.now() - started
  return { took, skew: row!.now - (before + took / 2) }
}
