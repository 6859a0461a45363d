import { open, readFile, rm, stat, utimes } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { StoreError } from '../errors'

// Two processes on one embedded directory lose data silently, and so do two worker threads of a development
// server that reloads. A process is known by its pid; a thread, which can end without a word, by its heartbeat.
const HEARTBEAT_MS = 500
const STALE_MS = 5_000
const RETRY_MS = 100

interface Owner {
  pid: number
  threadId: number
  host: string
}

/**
 * Takes `{directory}.lock`, waiting for another thread of this process that is about to let it go.
 * @returns what releases it
 * @throws {StoreError} DATABASE_LOCKED when another process holds it
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = `${directory}.lock`
  while (!await create(path)) await waitForOwner(path, directory)
  const beat = setInterval(() => {
    const now = new Date()
    // Nothing to do when the file was removed by hand: the directory stays ours until we close.
    utimes(path, now, now).catch(() => clearInterval(beat))
  }, HEARTBEAT_MS)
  beat.unref()
  return async () => {
    clearInterval(beat)
    await rm(path, { force: true })
  }
}

async function create(path: string): Promise<boolean> {
  const owner: Owner = { pid: process.pid, threadId, host: hostname() }
  try {
    const file = await open(path, 'wx')
    await file.writeFile(JSON.stringify(owner))
    await file.close()
    return true
  }
  catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** Returns when the lock may be tried again. */
async function waitForOwner(path: string, directory: string): Promise<void> {
  const state = await stateOf(path)
  if (state === 'free') return
  if (typeof state === 'object') throw locked(directory, path, state)
  if (state === 'stale') await removeStale(path)
  else await sleep(RETRY_MS)
}

/** Free, held by somebody who is about to let go, left behind, or the owner we must not wait for. */
async function stateOf(path: string): Promise<'free' | 'busy' | 'stale' | Owner> {
  const age = await ageOf(path)
  if (age === undefined) return 'free'
  const owner = await ownerOf(path)
  const silent = age > STALE_MS ? 'stale' : 'busy'
  // Created a moment ago and not written yet, or cut off while it was being written.
  if (owner === undefined) return silent
  if (owner.host !== hostname()) return owner
  if (owner.pid === process.pid) return silent
  return isAlive(owner.pid) ? owner : 'stale'
}

/** One at a time looks again and removes: the next one would remove the lock of the first. */
async function removeStale(path: string): Promise<void> {
  const guard = `${path}.guard`
  if (!await create(guard)) {
    if ((await ageOf(guard) ?? 0) > STALE_MS) await rm(guard, { force: true })
    return void await sleep(RETRY_MS)
  }
  try {
    if (await stateOf(path) === 'stale') await rm(path, { force: true })
  }
  finally {
    await rm(guard, { force: true })
  }
}

async function ageOf(path: string): Promise<number | undefined> {
  try {
    return Date.now() - (await stat(path)).mtimeMs
  }
  catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function ownerOf(path: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Owner
  }
  catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  }
  catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function locked(directory: string, path: string, owner: Owner): StoreError {
  return new StoreError(
    'DATABASE_LOCKED',
    `the embedded database in ${directory} is open in process ${owner.pid} on ${owner.host}: stop that process, use another directory, or remove ${path} when you are sure nothing uses it`,
    { details: { directory, ...owner }, retryable: true },
  )
}
