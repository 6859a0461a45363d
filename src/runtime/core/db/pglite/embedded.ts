import { realpath } from 'node:fs/promises'
import type { PGlite } from '@electric-sql/pglite'
import { StoreError } from '../../shared/errors'
import { isInside } from '../../shared/inside'
import type { Durability } from '../types'
import { RELAX, RESTORE } from '../pg/poolConfig'
import { beginNew, closeToOthers, endNew, explainOpening, identityOf, makeDirectory } from './embeddedDirectory'
import { lockDirectory } from './directoryLock'
import type { DirectoryLock, LockOptions } from './directoryLock'
import { answerReaders } from './pgliteReader'

type Driver = typeof import('@electric-sql/pglite')

/** An open embedded database, shared by all stores of a thread on the same directory. */
export interface Embedded {
  database: PGlite
  /** SQL that restores the initial settings of its connection. */
  settings(): string
  close(): Promise<void>
}

export interface EmbeddedOptions {
  durability: Durability
  /** How long to wait for another thread or process that has the directory open, in milliseconds. */
  patience: number
  signal?: AbortSignal | undefined
  onWait?: LockOptions['onWait']
}

interface Shared {
  opening: Promise<Opened>
  users: number
  closing?: Promise<void>
}

interface Opened {
  database: PGlite
  lock: DirectoryLock
  relaxed: boolean
}

// On the global object, so that several copies of this module in one bundle share it.
const KEY = Symbol.for('nvent-store-postgres.embedded')
const shared = (globalThis as typeof globalThis & { [KEY]?: Map<string, Shared> })[KEY] ??= new Map()

export async function openMemory(driver: Driver, durability: Durability): Promise<Embedded> {
  const database = await driver.PGlite.create()
  const settings = durability === 'relaxed' ? RELAX : RESTORE
  await database.exec(settings)
  return { database, settings: () => settings, close: () => database.close() }
}

/**
 * Opens the database in a directory, or joins it when it is already open in this thread.
 * @throws {StoreError} DATABASE_LOCKED when another thread or process has it open for longer than `patience`
 */
export async function openDirectory(driver: Driver, directory: string, options: EmbeddedOptions): Promise<Embedded> {
  try {
    await makeDirectory(directory)
    // PGlite opens no directory whose name is a symbolic link.
    const place = await realpath(directory)
    return await join(await identityOf(place), () => open(driver, place, options), options.durability)
  }
  catch (error) {
    throw explainOpening(directory, error)
  }
}

async function join(identity: string, open: () => Promise<Opened>, durability: Durability): Promise<Embedded> {
  for (;;) {
    const found = shared.get(identity)
    if (found?.closing) {
      // An error while closing is reported to the store that closed it.
      await found.closing.catch(() => undefined)
    }
    else if (found) {
      found.users++
      // The reason for which the first store failed (its time-out, its closing) may not apply to this one, so it tries itself.
      const opened = await found.opening.catch(() => undefined)
      if (opened) return handleOf(identity, found, await restored(opened, durability))
    }
    else {
      const made: Shared = { opening: open(), users: 1 }
      shared.set(identity, made)
      made.opening.catch(() => shared.delete(identity))
      return handleOf(identity, made, await made.opening)
    }
  }
}

async function open({ PGlite }: Driver, directory: string, { durability, patience, signal, onWait }: EmbeddedOptions): Promise<Opened> {
  let ready: Promise<PGlite> | undefined
  const lock = await lockDirectory(directory, {
    patience, signal, onWait, onConnection: socket => answerReaders(socket, async () => ready ?? Promise.reject(notReady(directory))),
  })
  /** Checks the lock before every message: all calls of PGlite send through this method. */
  class LockedPGlite extends PGlite {
    override execProtocolRawSync(message: Uint8Array): Uint8Array {
      lock.check()
      return super.execProtocolRawSync(message)
    }
  }
  try {
    const place = await beginNew(directory)
    if (place !== undefined) {
      // In a subdirectory without the lock folder: PostgreSQL creates a database in an empty directory only.
      await (await started(LockedPGlite, place)).close()
      await endNew(directory)
    }
    ready = started(LockedPGlite, directory)
    const database = await ready
    await closeToOthers(directory)
    const relaxed = durability === 'relaxed'
    if (relaxed) await database.exec(RELAX)
    return { database, lock, relaxed }
  }
  catch (error) {
    await lock.release()
    throw error
  }
}

function notReady(directory: string): StoreError {
  return new StoreError('DATABASE_LOCKED', `the embedded database in ${directory} is being opened: retry`, { details: { directory }, retryable: true })
}

/** Starts a database. When it can't start, it logs the reason to stderr, and then fails without a message or hangs. */
async function started(PGlite: Driver['PGlite'], dataDir: string): Promise<PGlite> {
  const said: string[] = []
  let stop: () => void
  const stopped = new Promise<void>((resolve) => {
    stop = resolve
  })
  const onStderr = (line: string) => {
    if (said.length > 0 || /\b(?:FATAL|PANIC):/.test(line)) said.push(line)
    // The following lines contain details.
    if (said.length > 0) setImmediate(stop)
    return false
  }
  const database = new PGlite({ dataDir, onStderr })
  const failure = await Promise.race([database.waitReady.then(() => undefined, (error: unknown) => ({ error })), stopped])
  if (said.length > 0) throw new Error(said.join(' '), { cause: failure?.error })
  if (failure) throw failure.error
  return database
}

/** Makes commits durable on the shared connection as soon as one of its stores requires that. */
async function restored(opened: Opened, durability: Durability): Promise<Opened> {
  if (opened.relaxed && durability === 'full') {
    refuseInside(opened.database)
    await opened.database.exec(RESTORE)
    opened.relaxed = false
  }
  return opened
}

function handleOf(identity: string, of: Shared, opened: Opened): Embedded {
  const { database, lock } = opened
  let closing: Promise<void> | undefined
  const close = async () => {
    if (--of.users > 0) return
    of.closing = shutDown(database, lock).finally(() => shared.delete(identity))
    return of.closing
  }
  return { database, settings: () => opened.relaxed ? RELAX : RESTORE, close: () => closing ??= close() }
}

async function shutDown(database: PGlite, lock: DirectoryLock): Promise<void> {
  try {
    // Closing writes, so it is only allowed while the lock is held.
    if (lock.isHeld()) await database.close()
  }
  finally {
    await lock.release()
  }
}

/** @throws {StoreError} INVALID_CALL inside a transaction: there is one connection, and the call would wait for its end */
export function refuseInside(database: PGlite): void {
  if (!isInside(database)) return
  throw new StoreError(
    'INVALID_CALL',
    'a call on the store inside transaction() would wait forever on the embedded database: use tx.stream, tx.index, tx.kv and tx.query instead',
  )
}
