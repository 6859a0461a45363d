import { statSync } from 'node:fs'
import { mkdir, rm, rmdir } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { StoreError } from '../../shared/errors'
import { holderOf, makeClaim, readClaims } from './lockClaim'
import type { Claim, Holder, OwnClaim, Wait } from './lockClaim'
import { lockedBy, lockLost } from './lockErrors'
import { replaceLockFile } from './lockFile'

/**
 * Two writers on one embedded directory lose data silently. A process that opens the directory first creates a claim in
 * this folder and then looks for other claims: of two concurrent processes at least one sees the other, and the later one
 * withdraws. A claim is a listening socket: the operating system closes it when its process or thread ends for any
 * reason, and keeps it open while the process is too busy to answer. Where sockets are not supported, and for other
 * machines, it is a file whose modification time is updated, and the owner checks before each write that it still exists.
 */
export const LOCK_FOLDER = 'nvent_store.lock'

// How long to wait for a later claim to withdraw, in milliseconds: its process does so as soon as it sees the earlier one.
const RIVAL_MS = 2_000

export interface LockOptions {
  /** How long to wait for the owner to release the lock, in milliseconds. */
  patience?: number
  signal?: AbortSignal | undefined
  /** Called with an error that names the owner, while waiting for it. */
  onWait?: Wait['onWait']
  /** Serves connections of other processes to the owner. */
  onConnection?(socket: Socket): void
}

export interface DirectoryLock {
  /** @throws {StoreError} DATABASE_LOCKED when the lock was lost: nothing may be written any more */
  check(): void
  isHeld(): boolean
  release(): Promise<void>
}

/**
 * Takes the lock of an existing directory.
 * @throws {StoreError} DATABASE_LOCKED, which names the owner; CLOSED when `signal` ends the waiting
 */
export async function lockDirectory(directory: string, options: LockOptions = {}): Promise<DirectoryLock> {
  const wait: Wait = { directory, deadline: performance.now() + (options.patience ?? 0), signal: options.signal, onWait: options.onWait }
  try {
    const claim = await claimFolder(wait, options.onConnection ?? (socket => socket.resume()))
    try {
      return lockOf(directory, claim, await replaceLockFile(wait))
    }
    catch (error) {
      await release(directory, claim)
      throw error
    }
  }
  catch (error) {
    if (options.signal?.aborted) throw new StoreError('CLOSED', `the store was closed while it waited for the embedded database in ${directory}`)
    throw error
  }
}

/** The holder of the lock of a directory; undefined when it is free. */
export async function findHolder(directory: string, signal?: AbortSignal): Promise<Holder | undefined> {
  const [first, ...others] = await holdersOf(await readClaims(join(directory, LOCK_FOLDER)), signal)
  others.forEach(other => other.end())
  return first
}

async function claimFolder(wait: Wait, onConnection: (socket: Socket) => void): Promise<OwnClaim> {
  const folder = join(wait.directory, LOCK_FOLDER)
  for (;;) {
    const holder = await findHolder(wait.directory, wait.signal)
    if (holder) {
      await outlast(holder, wait)
      continue
    }
    const claim = await inFolder(folder, () => makeClaim(folder, onConnection))
    if (!claim) continue
    const rival = await findRival(folder, claim, wait)
    if (!rival) return claim
    await claim.withdraw()
    await outlast(rival, wait)
  }
}

/** Runs `work` in the folder, which is created if necessary; undefined when the previous owner has removed it meanwhile. */
async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T | undefined> {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  return work().catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** The holders of claims, earliest first. Abandoned claims are removed; names are unique, so no other claim can be affected. */
async function holdersOf(claims: Claim[], signal?: AbortSignal): Promise<Holder[]> {
  const holders = await Promise.all(claims.map(async (claim) => {
    const holder = await holderOf(claim, signal)
    if (!holder) await rm(claim.path, { force: true })
    return holder
  }))
  return holders.filter(holder => holder !== undefined)
}

/** The claim with precedence over ours: an earlier one, or a later one that stays because its owner did not see ours. */
async function findRival(folder: string, own: OwnClaim, { signal }: Wait): Promise<Holder | undefined> {
  for (const deadline = performance.now() + RIVAL_MS; ;) {
    const others = (await readClaims(folder)).filter(({ path }) => path !== own.path)
    const [first, ...more] = await holdersOf(others, signal)
    more.forEach(other => other.end())
    if (!first || first.claim.path < own.path) return first
    if (performance.now() > deadline) return first
    await first.gone(Math.max(0, deadline - performance.now()), signal)
    first.end()
  }
}

async function outlast(holder: Holder, { directory, deadline, signal, onWait }: Wait): Promise<void> {
  try {
    const left = () => deadline - performance.now()
    if (left() > 0) onWait?.(lockedBy(directory, await holder.owner()))
    if (left() <= 0 || !await holder.gone(left(), signal)) throw lockedBy(directory, await holder.owner())
  }
  finally {
    holder.end()
  }
}

function lockOf(directory: string, claim: OwnClaim, releaseLockFile: (isOurs: boolean) => Promise<void>): DirectoryLock {
  const isHeld = () => statSync(claim.path, { throwIfNoEntry: false }) !== undefined
  let lost: StoreError | undefined
  return {
    isHeld: () => !lost && isHeld(),
    check() {
      lost ??= isHeld() ? undefined : lockLost(directory)
      if (lost) throw lost
    },
    async release() {
      await releaseLockFile(!lost && isHeld())
      await release(directory, claim)
    },
  }
}

async function release(directory: string, claim: OwnClaim): Promise<void> {
  const folder = join(directory, LOCK_FOLDER)
  await claim.withdraw()
  await rmdir(folder).catch((error: NodeJS.ErrnoException) => {
    // Another process has created a claim in it, or has removed it.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
  })
}
