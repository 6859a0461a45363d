import type { StoreError } from '../shared/errors'
import type { Pool, PoolConfig } from 'pg'
import type { Row } from '../tables/types'
import type { Logger } from '../shared/types'
import type { Statement } from '../sql/statement'

export interface Result<R extends Row = Row> {
  rows: R[]
  /** Rows returned or changed. */
  count: number
  /** What the server says it did, where the driver tells. */
  command?: string
}

/** Anything a statement can be sent to: a pool, or one open transaction. */
export interface Queryable {
  query<R extends Row = Row>(statement: Statement): Promise<Result<R>>
  /** The rows as lists of values, in the order of the columns: a tenth cheaper, where pages of them are read. */
  queryLists(statement: Statement): Promise<unknown[][]>
}

export interface AtomicOptions {
  /** That of a new transaction; one that is joined keeps its own. */
  isolation?: IsolationLevel | undefined
  /** No time-out ends the statements: for work that waits for other processes, or takes long. */
  patient?: boolean
}

/** A place to run calls in: the pool, where `atomic` opens a transaction, or a transaction, where it joins it. */
export interface Session extends Queryable {
  readonly inTransaction: boolean
  atomic<T>(work: (session: Session) => Promise<T>, options?: AtomicOptions): Promise<T>
  /** The caller's own SQL: values parsed the way `pg` does it. */
  raw(text: string, values: unknown[]): Promise<{ rows: Row[], count: number }>
  /** Several statements in one text, without values: migrations. */
  script(text: string): Promise<void>
}

/**
 * What stands between the store and the server. `transaction`: connections are lent for one transaction at a time, so
 * that LISTEN, session settings and, unless the pooler keeps them, named statements don't hold. `session`: something
 * that keeps them, or did not show that it does not.
 */
export type Pooler = 'none' | 'session' | 'transaction'

/** What sets drivers apart, as data: nothing asks a driver for its name. */
export interface DriverFlags {
  connections: 'many' | 'one'
  /** Other processes may have the same database open. */
  shared: boolean
}

/** Whether a call waits until its commit is on disk. */
export type Durability = 'full' | 'relaxed'

/** What a driver is opened with: of the options of the store, those that are about the database. */
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
  /** Told of a connection that broke while nobody used it. */
  onConnectionLost?(error: StoreError): void
  /** Told why the start waits: an attempt has failed and is made again, or another process holds the directory. */
  onWait?(reason: StoreError): void
  /** Nothing is made or changed; an embedded database that another process has open is asked through it. */
  onlyLook?: boolean
  /** Ends waiting for another process, and attempts to connect. */
  signal?: AbortSignal
}

export interface Db extends Session {
  readonly driver: 'postgres' | 'pglite'
  readonly flags: DriverFlags
  /** For the log: `host:port/database`, a directory, or `memory`. Holds no secret. */
  readonly label: string
  /** As whom it connects, and where to, where that has to be allowed. */
  readonly login?: { user: string, database: string }
  /** What stands between this process and the server: found out once, by the start or by the first who asks. */
  pooler(): Promise<Pooler>
  /**
   * Calls `onWake` for every notification on a channel, on a connection of its own where there can be one, and
   * `onReconnect` whenever notifications may have been missed. A connection that is lost is made again.
   * @returns ends listening
   */
  listen(channel: string, onWake: () => void, onReconnect: () => void): Promise<() => Promise<void>>
  /**
   * Where there is one connection: refuses a call that is made inside a transaction, for whose end it would wait.
   * @throws {StoreError} INVALID_CALL
   */
  requireOutside?(): void
  /**
   * Refuses what would wait for a connection inside of what makes one: a `password()`, an `onConnect`.
   * @throws {StoreError} INVALID_CALL
   */
  requireNotConnecting?(): void
  /** How busy the pool is, where there is one. */
  pool?(): PoolMetrics
  /** How many more statements would get a connection at once, and how long one is waited for; 0: without end. */
  room?(): { most: number, free: number, waitMs: number }
  /** Makes sure, before the first statement, that the store can work here, and adapts to what stands in between. */
  inspect(): Promise<void>
  /** Lets the idle connections go; later statements open what they need. */
  releaseIdle(): Promise<void>
  close(): Promise<void>
}

/** Tables of their own for the subjects of generic streams. */
export interface StreamTables {
  /** An event of this subject prefix is in the default partition: makes its table, now or after the transaction. */
  place(session: Session, subjectPrefix: string): Promise<void>
  /** Makes the tables that appends inside transactions would have liked to have. */
  afterTransaction(): Promise<void>
  /** Makes no more of them; resolves when an attempt under way has ended. */
  stop(): Promise<void>
}

/** Connections of the pool. */
export interface PoolMetrics {
  /** Open connections. */
  total: number
  /** Open connections that nobody uses. */
  idle: number
  /** Calls that wait for a connection. */
  waiting: number
  /** Most connections. */
  max: number
}

export type IsolationLevel = 'read committed' | 'repeatable read' | 'serializable'

export type { Row }
