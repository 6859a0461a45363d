import { chmod, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StoreError, messageOf } from '../../shared/errors'
import { sqlStateOf, toStoreError } from '../errors'
import { LOCK_FOLDER } from './directoryLock'

// Where a new database is written: what was begun and not finished holds nothing anybody was told of.
const BEGUN = 'nvent_store.begun'
// In every directory of a database.
const VERSION = 'PG_VERSION'
const NO_DATA = new Set([LOCK_FOLDER, 'lost+found'])
// What is wrong with the place itself, so that trying again would not help.
const MISPLACED = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'EEXIST', 'ENOENT', 'ENAMETOOLONG', 'ELOOP', 'EINVAL'])

const DAMAGED = 'It is damaged, or a copy that was made while it was open: restore it, or remove the directory to begin with an empty one'
const NOT_OURS = 'Give the directory, and all that is in it, to the user of this process'
const TOO_MANY = 'Raise the limit of open files, or close some'

/** The file system of PGlite throws numbers, those of WASI. */
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

/** Makes the directory when it is missing: for the user of the process alone. */
export async function makeDirectory(directory: string): Promise<void> {
  await mkdir(dirname(directory), { recursive: true })
  await mkdir(directory, { mode: 0o700 }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
    if (!(await stat(directory)).isDirectory()) throw misplaced(directory, 'it is a file, and a directory is needed')
  })
}

/** The same for every name of a directory: through links, relative, in whatever case. */
export async function identityOf(directory: string): Promise<string> {
  const { dev, ino } = await stat(directory, { bigint: true })
  return `${dev}:${ino}`
}

/** Whether there is a database in a directory, which need not exist. */
export const holdsDatabase = (directory: string): Promise<boolean> => stat(join(directory, VERSION)).then(() => true, () => false)

/**
 * Prepares a directory that is locked.
 * @returns where to make a new database, for `endNew` to move it to its place; undefined when there is one already
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

/** Moves a database that was made, and closed, to its place. */
export async function endNew(directory: string): Promise<void> {
  const place = join(directory, BEGUN)
  for (const name of await readdir(place)) await rename(join(place, name), join(directory, name))
  await rmdir(place)
}

/**
 * Leaves a directory, with all that is in it, to its user alone. Earlier versions left it open to the others of the
 * machine, and PGlite makes some of its files for all.
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
    // Somebody else's directory (a volume, a network share) has its own rules, and its owner keeps them.
    if (error.code !== 'EPERM' && error.code !== 'ENOTSUP' && error.code !== 'ENOENT') throw error
  })
}

function misplaced(directory: string, problem: string, cause?: unknown): StoreError {
  return new StoreError('INVALID_OPTION', `the embedded database can't be in ${directory}: ${problem}`, {
    details: { option: 'connection', directory }, cause,
  })
}

/** Why a directory can't be opened, and what to do. */
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
  // Node names what it asked of the system; all else is PGlite's.
  if (syscall === undefined && sqlStateOf(error) === undefined) {
    const [reason, advice] = systemErrors[Number((error as { errno?: unknown }).errno)] ?? [message, DAMAGED]
    return new StoreError('DATABASE', `the embedded database in ${directory} can't be opened: ${reason}. ${advice}`, { details: { directory }, cause: error })
  }
  return toStoreError(error, `the embedded database in ${directory} can't be opened`)
}
