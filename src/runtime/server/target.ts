import type { PoolConfig } from 'pg'
import { parsedUrl, urlProblem } from '../core/db/connection/connectionUrl'

const UNREADABLE = 'unreadable'

interface Target {
  driver: string
  host: string
  port: string
  database: string
  user: string
  password: string
}

/** The name of a connection's database, without user or password. */
export function describe(connection: string | PoolConfig): string {
  const { driver, host, port, database } = targetOf(connection)
  if (driver === UNREADABLE) return database
  return driver === 'postgres' ? `${host}:${port}${database && `/${database}`}` : `${driver}://${database}`
}

/** Whether two connections use the same database as the same user; pool settings are ignored. */
export function sameTarget(one: string | PoolConfig, other: string | PoolConfig): boolean {
  return JSON.stringify(targetOf(one)) === JSON.stringify(targetOf(other))
}

function targetOf(connection: string | PoolConfig): Target {
  if (typeof connection === 'string') return targetOfUrl(connection)
  // In `pg` the URL has precedence over the other fields.
  if (connection.connectionString) return targetOfUrl(connection.connectionString)
  const { host, port, database, user, password } = connection
  return postgres({ host, port: port?.toString(), database, user, password: typeof password === 'string' ? password : '' })
}

function targetOfUrl(text: string): Target {
  if (text.startsWith('pglite://')) {
    return { driver: 'pglite', host: '', port: '', database: text.slice('pglite://'.length), user: '', password: '' }
  }
  const problem = urlProblem(text)
  if (problem !== undefined) return unreadable(problem, text)
  const url = text.startsWith('/') ? undefined : parsedUrl(text)
  if (!url) return postgres({ host: text.split(' ')[0], database: text.split(' ')[1] })
  return postgres({
    host: url.searchParams.get('host') ?? decodeURIComponent(url.hostname),
    port: url.searchParams.get('port') ?? url.port,
    database: decodeURIComponent(url.pathname.slice(1)),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  })
}

/** An unreadable URL is never shown: any part of it may be part of the password. */
const unreadable = (problem: string, text: string): Target =>
  ({ driver: UNREADABLE, host: '', port: '', database: `a URL that ${problem}`, user: '', password: text })

function postgres({ host, port, database, user, password }: Partial<Target>): Target {
  return {
    driver: 'postgres', host: host || 'localhost', port: port || '5432', database: database ?? '', user: user ?? '', password: password ?? '',
  }
}
