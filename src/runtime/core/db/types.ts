import type { StoreError } from '../shared/errors'
import type { Pool, PoolConfig } from 'pg'
import type { Row } from '../tables/types'
import type { Logger } from '../shared/types'
import type { Statement } from '../sql/statement'

export interface Result<R extends Row = Row> {
  rows: R[]
  /** Number of rows returned or changed. */
  count: number
  /** The command tag of the server, if the driver reports it. */
  command?: string
}

/** A target for statements: a pool, or an open transaction. */
export interface Queryable {
  query<R extends Row = Row>(statement: Statement): Promise<Result<R>>
  /** The rows as arrays of values in the order of the columns. A tenth cheaper than objects when pages of rows are read. */
  queryLists(statement: Statement): Promise<unknown[][]>
}

export interface AtomicOptions {
  /** Isolation level of a new transaction. A joined transaction keeps its own. */
  isolation?: IsolationLevel | undefined
  /** Disables time-outs for the statements: for work that takes long or waits for other processes. */
  patient?: boolean
  /** Milliseconds without a statement after which the server ends a new transaction, so that a frozen process keeps no locks. */
  idleTimeout?: number
}

/** Runs calls on the pool, where `atomic` opens a transaction, or in a transaction, which `atomic` joins. */
export interface Session extends Queryable {
  readonly inTransaction: boolean
  atomic<T>(work: (session: Session) => Promise<T>, options?: AtomicOptions): Promise<T>
  /** Sends SQL of the caller. Result values are parsed as `pg` does by default. */
  raw(text: string, values: unknown[]): Promise<{ rows: Row[], count: number }>
  /** Sends several statements without parameters in one text, for migrations. */
  script(text: string): Promise<void>
}

/**
 * The kind of pooler between the store and the server. `transaction`: server connections are assigned for one transaction
 * at a time, so that LISTEN, session settings and (unless the pooler supports them) prepared statements are lost.
 * `session`: a pooler that keeps them, or that was not seen to lose them.
 */
export type Pooler = 'none' | 'session' | 'transaction'

/** Differences between drivers as data, so that no code depends on a driver's name. */
export interface DriverFlags {
  connections: 'many' | 'one'
  /** Whether other processes may have the same database open. */
  shared: boolean
}

/** Whether a call waits until its commit is on disk. */
export type Durability = 'full' | 'relaxed'

/** The store's options that concern the database. */
export interface DbOptions {
  connection: string | PoolConfig | undefined
  migrationConnection: string | PoolConfig | undefined
  listenConnection: string | PoolConfig | undefined
  pool: Pool | undefined
  poolSize: number | undefined
  prepare: boolean
  durability: Durability
  connectTimeout: number
  queryTimeout: number
  serverless: boolean
  logger: Logger
  /** Called for a connection that broke while idle. */
  onConnectionLost?(error: StoreError): void
  /** Called with the reason when the start waits: an attempt failed and is retried, or another process holds the directory. */
  onWait?(reason: StoreError): void
  /** Creates and changes nothing. An embedded database that another process has open is read through that process. */
  onlyLook?: boolean
  /** Aborts attempts to connect, and waiting for another process. */
  signal?: AbortSignal
}

export interface Db extends Session {
  readonly driver: 'postgres' | 'pglite'
  readonly flags: DriverFlags
  /** For log messages: `host:port/database`, a directory, or `memory`. Contains no secrets. */
  readonly label: string
  /** User and database of the connection; absent for drivers without access control. */
  readonly login?: { user: string, database: string }
  /** The kind of pooler between this process and the server. Detected once, at the start or on the first call. */
  pooler(): Promise<Pooler>
  /**
   * Calls `onWake` for every notification on a channel, on a separate connection if the driver has several, and
   * `onReconnect` whenever notifications may have been missed. A lost connection is replaced.
   * @returns a function that ends listening
   */
  listen(channel: string, onWake: () => void, onReconnect: () => void): Promise<() => Promise<void>>
  /**
   * Only present where there is one connection: refuses a call made inside a transaction, for whose end it would wait.
   * @throws {StoreError} INVALID_CALL
   */
  requireOutside?(): void
  /**
   * Refuses a call inside `password()`, `onConnect` or `verify` that would wait for the connection being established.
   * @throws {StoreError} INVALID_CALL
   */
  requireNotConnecting?(): void
  /** Metrics of the pool; absent where there is none. */
  pool?(): PoolMetrics
  /** Capacity of the pool: see `Room` of the batcher. */
  room?(): { most: number, free: number, waitMs: number }
  /** Checks before the first statement that the store can work with the server's settings, and adapts to a pooler. */
  inspect(): Promise<void>
  /** Closes idle connections. Later statements open new ones. */
  releaseIdle(): Promise<void>
  close(): Promise<void>
}

/** Manages the partitions of generic streams: one table for each subject prefix. */
export interface StreamTables {
  /** Called when an event of this subject prefix is in the default partition: creates its table, now or after the transaction. */
  place(session: Session, subjectPrefix: string): Promise<void>
  /** Creates the tables that were requested by appends inside transactions. */
  afterTransaction(): Promise<void>
  /** Creates no more tables. Resolves when a running attempt has ended. */
  stop(): Promise<void>
}

/** Connections of the pool. */
export interface PoolMetrics {
  /** Number of open connections. */
  total: number
  /** Number of open connections that are not in use. */
  idle: number
  /** Number of calls that wait for a connection. */
  waiting: number
  /** Maximum number of connections. */
  max: number
}

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

export type { Row }
