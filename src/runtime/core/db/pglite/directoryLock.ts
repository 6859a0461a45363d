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
 * Two writers on one embedded directory lose data silently. Whoever wants to write makes a claim in this folder of the
 * directory, then looks for others: of two at the same time at least one sees the other, and the later one withdraws.
 * A claim is a socket that listens: the system closes it when its process or thread ends, however it ends, and keeps
 * it while the process is too busy to answer. Where there are no sockets, and for other machines, it is a file whose
 * time moves, and the owner looks whether it is still there before each write.
 */
export const LOCK_FOLDER = 'nvent_store.lock'

// Of two claims made at the same time, the later one is gone as soon as it has seen the other.
const RIVAL_MS = 2_000

export interface LockOptions {
  /** How long to wait for the owner to let go, in milliseconds. */
  patience?: number
  signal?: AbortSignal | undefined
  /** Told who holds the lock that is waited for. */
  onWait?: Wait['onWait']
  /** Serves those who connect to the owner. */
  onConnection?(socket: Socket): void
}

export interface DirectoryLock {
  /** @throws {StoreError} DATABASE_LOCKED when the lock was lost: nothing may be written any more */
  check(): void
  isHeld(): boolean
  release(): Promise<void>
}

/**
 * Takes the lock of a directory that exists.
 * @throws {StoreError} DATABASE_LOCKED, which says who holds it; CLOSED when `signal` ends the waiting
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

/** Who holds the lock of a directory, if somebody does. */
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

/** Undefined when the owner before took the folder away meanwhile. */
async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T | undefined> {
  await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  return work().catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** Those behind the claims, the earliest first. What is abandoned goes: names never come again, so nobody else's can be hit. */
async function holdersOf(claims: Claim[], signal?: AbortSignal): Promise<Holder[]> {
  const holders = await Promise.all(claims.map(async (claim) => {
    const holder = await holderOf(claim, signal)
    if (!holder) await rm(claim.path, { force: true })
    return holder
  }))
  return holders.filter(holder => holder !== undefined)
}

/** The claim that ours has to give way to: an earlier one, or a later one that stays, whose owner found nobody. */
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
    // Somebody else makes a claim in it, or has taken it away.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
  })
}
