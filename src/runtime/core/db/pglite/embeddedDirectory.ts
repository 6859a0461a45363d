import { chmod, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StoreError, messageOf } from '../../shared/errors'
import { sqlStateOf, toStoreError } from '../errors'
import { LOCK_FOLDER } from './directoryLock'

// A new database is created in this subdirectory. If that is interrupted, it contains no data of calls that resolved.
const BEGUN = 'nvent_store.begun'
// PostgreSQL creates this file in every database directory.
const VERSION = 'PG_VERSION'
const NO_DATA = new Set([LOCK_FOLDER, 'lost+found'])
// Errors about the directory itself, for which a retry does not help.
const MISPLACED = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOENT', 'ENAMETOOLONG', 'ELOOP', 'EINVAL'])

const DAMAGED = 'It is damaged, or a copy that was made while it was open: restore it, or remove the directory to begin with an empty one'
const NOT_OURS = 'Give the directory, and all that is in it, to the user of this process'
const TOO_MANY = 'Raise the limit of open files, or close some'

/** The file system of PGlite throws WASI error numbers. */
const systemErrors: Partial<Record<number, [reason: string, advice: string]>> = {
  2: ['a file of it may not be read or written (EACCES)', NOT_OURS],
  29: ['the disk could not be read or written (EIO)', 'Check the disk, and restore the directory'],
  33: ['this process has too many open files (EMFILE)', TOO_MANY],
  41: ['this machine has too many open files (ENFILE)', TOO_MANY],
  44: ['a file of it is missing (ENOENT)', DAMAGED],
  51: ['the disk is full (ENOSPC)', 'Make room'],
  63: ['a file of it may not be read or written (EPERM)', NOT_OURS],
  69: ['its file system can only be read (EROFS)', 'Name a directory that this user may write to'],
}

/** Creates the directory if it is missing, accessible only to the user of the process. */
export async function makeDirectory(directory: string): Promise<void> {
  await mkdir(dirname(directory), { recursive: true })
  await mkdir(directory, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    if (!(await stat(directory)).isDirectory()) throw misplaced(directory, 'it is a file, and a directory is needed')
  })
}

/** Identifies a directory independently of its path: through links, relative, in any case. */
export async function identityOf(directory: string): Promise<string> {
  const { dev, ino } = await stat(directory, { bigint: true })
  return `${dev}:${ino}`
}

/** Whether a directory contains a database. The directory need not exist. */
export const holdsDatabase = (directory: string): Promise<boolean> => stat(join(directory, VERSION)).then(() => true, () => false)

/**
 * Prepares a locked directory.
 * @returns the path at which to create a new database, which `endNew` then moves; undefined when there is one already
 */
export async function beginNew(directory: string): Promise<string | undefined> {
  const names = (await readdir(directory)).filter(name => !NO_DATA.has(name) && !name.startsWith('.'))
  if (names.includes(BEGUN)) for (const name of names) await rm(join(directory, name), { recursive: true })
  else if (names.includes(VERSION)) return undefined
  else if (names.length > 0) throw misplaced(directory, `it holds other files and no database (no ${VERSION}): name an empty or new directory`)
  const place = join(directory, BEGUN)
  await mkdir(place, { mode: 0o700 })
  return place
}

/** Moves a newly created and closed database into its directory. */
export async function endNew(directory: string): Promise<void> {
  const place = join(directory, BEGUN)
  for (const name of await readdir(place)) await rename(join(place, name), join(directory, name))
  await rmdir(place)
}

/**
 * Restricts a directory and its contents to its user. Earlier versions left it readable for other users of the machine,
 * and PGlite creates some of its files that way.
 */
export async function closeToOthers(directory: string): Promise<void> {
  await setMode(directory, 0o700)
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() || entry.isDirectory()) await setMode(join(entry.parentPath ?? entry.path, entry.name), entry.isFile() ? 0o600 : 0o700)
  }
}

async function setMode(path: string, mode: number): Promise<void> {
  if (process.platform === 'win32') return
  await chmod(path, mode).catch((error: NodeJS.ErrnoException) => {
    // A directory of another owner (a volume, a network share) keeps its own permissions.
    if (error.code !== 'EPERM' && error.code !== 'ENOTSUP' && error.code !== 'ENOENT') throw error
  })
}

function misplaced(directory: string, problem: string, cause?: unknown): StoreError {
  return new StoreError('INVALID_OPTION', `the embedded database can't be in ${directory}: ${problem}`, {
    details: { option: 'connection', directory }, cause,
  })
}

/** The StoreError for a directory that can't be opened. */
export function explainOpening(directory: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error
  const message = messageOf(error)
  const { code, syscall } = error as NodeJS.ErrnoException
  if (syscall !== undefined && MISPLACED.has(code ?? '')) {
    return misplaced(directory, `${message}. Name a directory that this user may write to`, error)
  }
  const [, found, supported] = /initialized by PostgreSQL version (\S+), which is not compatible with this version (\d+)/.exec(message) ?? []
  if (found !== undefined) {
    return new StoreError(
      'DATABASE',
      `the embedded database in ${directory} was made by PostgreSQL ${found}, and the @electric-sql/pglite that is installed holds PostgreSQL ${supported}: install the version it was made with again, or move the data: dump it with that version (pg_dump of @electric-sql/pglite-tools), and load the dump into a new directory`,
      { details: { directory, found, supported }, cause: error },
    )
  }
  // Errors of Node have a `syscall`; others come from PGlite.
  if (syscall === undefined && sqlStateOf(error) === undefined) {
    const [reason, advice] = systemErrors[Number((error as { errno?: unknown }).errno)] ?? [message, DAMAGED]
    return new StoreError('DATABASE', `the embedded database in ${directory} can't be opened: ${reason}. ${advice}`, { details: { directory }, cause: error })
  }
  return toStoreError(error, `the embedded database in ${directory} can't be opened`)
}
