import type { PoolConfig } from 'pg'
import { StoreError } from '../core/shared/errors'
import { connectionFault } from '../core/db/connection/connectionChecks'
import type { ConfiguredSource, NventConfig } from './config'
import { describe, sameTarget } from './target'
import { MissingVariable, isPlain, resolveReferences } from './references'
import type { Env } from './references'
import { restoreStrings } from './variables'

/** The connection of the source with the highest precedence. */
export interface ChosenConnection {
  connection: string | PoolConfig
  /** The option or variable it comes from, for the log. */
  source: string
  /** Messages about ignored sources that name another database or user; without secrets. */
  warnings: string[]
}

export interface ConnectionInput {
  env: Env
  /** `connection` of the runtime config, after Nitro applied the environment. */
  override?: unknown
  /** The connections in nuxt.config, highest precedence first. */
  sources?: ConfiguredSource[]
  /** nvent's own runtime config, used when nuxt.config has no connection. */
  nvent?: NventConfig
  /** The embedded database of development; empty in production. */
  embedded?: string
}

interface Candidate {
  source: string
  connection: string | PoolConfig
}

export const OVERRIDE = 'NUXT_NVENT_STORE_POSTGRES_CONNECTION'
export const FALLBACKS = ['DATABASE_URL', 'POSTGRES_URL']
// Nitro gives its own prefix precedence.
const OVERRIDES = ['NITRO_NVENT_STORE_POSTGRES_CONNECTION', OVERRIDE]
const RUNTIME = 'runtimeConfig.nventStorePostgres.connection'
const STORE = 'nvent.store.connection'
const TYPED = 'nvent.store.postgres'
const SHARED = 'nvent.connections.postgres'
const INVENTED = 'postgresql://localhost:5432/nvent'
const OWN = 'nventStorePostgres.connection'

/**
 * Chooses the source of the connection, highest precedence first: the override variable, `nvent.store.connection`,
 * `nvent.store.postgres`, `nvent.connections.postgres`, `nventStorePostgres.connection`, `DATABASE_URL`,
 * `POSTGRES_URL`, and in development the embedded database. Fields of two sources are never merged.
 * @throws {StoreError} INVALID_OPTION when there is no source, or the chosen one needs a variable that is not set
 */
export function chooseConnection(input: ConnectionInput): ChosenConnection {
  const chosen = namedConnection(input)
  if (chosen) return chosen
  if (input.embedded) return { connection: input.embedded, source: 'the development default', warnings: [] }
  throw new StoreError('INVALID_OPTION', `set DATABASE_URL to the URL of a database (postgres://user:password@host:5432/name): no database is configured. Set one of ${
    [OVERRIDE, STORE, SHARED, OWN, ...FALLBACKS].join(', ')
  } (variables at run time, options in nuxt.config, where ${TYPED} is one, too). The embedded database is the default in development only; \`pglite://path\` asks for it in production`, {
    details: { option: 'connection' },
  })
}

/** The same without the embedded database; undefined when no source is set. */
export function namedConnection(input: ConnectionInput): ChosenConnection | undefined {
  const [chosen, ...others] = candidates(input)
  return chosen && { ...chosen, connection: checkedConnection(chosen.source, chosen.connection), warnings: warningsOf(chosen, others) }
}

// An unreadable source of lower precedence than the chosen one is ignored without a warning: it is not needed.
function candidates({ env, override, sources = [], nvent = {} }: ConnectionInput): Candidate[] {
  const found: Candidate[] = []
  const add = (source: string, read: () => unknown) => {
    try {
      const connection = read()
      if (isGiven(connection)) found.push({ source, connection })
    }
    catch (error) {
      if (found.length === 0) throw error
    }
  }
  for (const name of OVERRIDES) add(name, () => fromVariable(name, env[name]))
  if (found.length === 0) add(RUNTIME, () => resolved(RUNTIME, restoreStrings('connection', override, env), env))
  const configured = new Map(sources.map(({ name, connection }) => [name, connection as unknown]))
  if (!isOtherAdapter(nvent.store?.adapter)) {
    add(STORE, () => resolved(STORE, configured.get(STORE) ?? nvent.store?.connection, env))
    add(TYPED, () => resolved(TYPED, configured.get(TYPED) ?? nvent.store?.postgres, env))
  }
  add(SHARED, () => resolved(SHARED, configured.get(SHARED) ?? writtenBy(nvent.connections?.postgres), env))
  add(OWN, () => resolved(OWN, configured.get(OWN), env))
  for (const name of FALLBACKS) add(name, () => env[name])
  return found
}

/** @throws {StoreError} INVALID_OPTION with the name of the source */
export function checkedConnection(source: string, connection: string | PoolConfig): string | PoolConfig {
  const fault = connectionFault(connection)
  if (!fault) return connection
  throw new StoreError('INVALID_OPTION', `${source}${fault.path} ${fault.problem}`, { details: { option: `connection${fault.path}`, source } })
}

/** The connection of another option, `name`, such as `migrationConnection`; undefined when it is not set. */
export function anotherConnection(name: string, connection: unknown, env: Env): string | PoolConfig | undefined {
  const found = resolved(`nventStorePostgres.${name}`, restoreStrings(name, connection, env), env)
  return isGiven(found) ? found : undefined
}

/** With another adapter, `nvent.store.connection` is for another database, such as Redis. */
export function isOtherAdapter(adapter: unknown): boolean {
  return typeof adapter === 'string' && adapter !== '' && adapter !== 'postgres'
}

/**
 * Whether a connection is the default that nvent fills into `connections.postgres`. It is ignored, as the app did not
 * configure it; an app that uses this very database can name it in another source.
 */
export function isInvented(connection: unknown): boolean {
  return connection === INVENTED || (isPlain(connection) && connection.connectionString === INVENTED && Object.keys(connection).length === 1)
}

const writtenBy = (connection: unknown): unknown => isInvented(connection) ? undefined : connection

/** Whether a source is set: an empty string or object, as unset variables leave it, is not. */
export function isGiven(connection: unknown): connection is string | PoolConfig {
  return typeof connection === 'string' ? connection !== '' : isPlain(connection) && Object.keys(connection).length > 0
}

function fromVariable(name: string, text: string | undefined): unknown {
  if (!text?.trimStart().startsWith('{')) return text
  try {
    return JSON.parse(text)
  }
  catch {
    throw new StoreError('INVALID_OPTION', `the environment variable ${name} starts with { but is not valid JSON: set a URL, or a pg configuration as JSON`, {
      details: { option: 'connection', variable: name },
    })
  }
}

function resolved(source: string, connection: unknown, env: Env): unknown {
  try {
    return resolveReferences(connection, env, source)
  }
  catch (error) {
    if (!(error instanceof MissingVariable)) throw error
    throw new StoreError('INVALID_OPTION', error.message, { details: { option: error.path, variables: error.variables } })
  }
}

function warningsOf(chosen: Candidate, others: Candidate[]): string[] {
  return others.filter(other => !sameTarget(chosen.connection, other.connection)).map(other =>
    `${chosen.source} (${describe(chosen.connection)}) is used, ${other.source} (${describe(other.connection)}) differs and is ignored`)
}
