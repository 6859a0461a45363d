import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { threadId } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import { beats, startBeat, timeOf } from './lockClaim'
import type { Wait } from './lockClaim'
import { lockedBy } from './lockErrors'
import type { Owner } from './lockErrors'

/** Content of `{directory}.lock`, the lock file of earlier versions; `claims` marks a file written by this version. */
interface LockFile extends Owner {
  claims?: true
}

const RETRY_MS = 100
const FRESH_MS = 5_000

/**
 * Earlier versions do not know claims. Waits until such a process has closed the directory, and locks out others. Called
 * by the process that holds the claim.
 * @returns a function that removes the file when it is still ours
 */
export async function replaceLockFile({ directory, deadline, signal }: Wait): Promise<(isOurs: boolean) => Promise<void>> {
  const path = `${directory}.lock`
  for (;;) {
    const outcome = await create(path)
    if (outcome === 'created') {
      const stopBeat = startBeat(path)
      return async (isOurs) => {
        stopBeat()
        if (isOurs) await rm(path, { force: true })
      }
    }
    // Where the file can't be written, no earlier version could have locked the directory.
    if (outcome === 'impossible') return async () => {}
    const owner = await livingOwner(path, signal)
    if (!owner) await rm(path, { force: true })
    else if (performance.now() > deadline) throw lockedBy(directory, owner)
    else await sleep(RETRY_MS, undefined, signal ? { signal } : {})
  }
}

async function create(path: string): Promise<'created' | 'exists' | 'impossible'> {
  const file: LockFile = { pid: process.pid, threadId, host: hostname(), claims: true }
  return writeFile(path, JSON.stringify(file), { flag: 'wx', mode: 0o600 }).then(() => 'created', async (error: NodeJS.ErrnoException) =>
    error.code === 'EEXIST' && await stat(path).then(found => found.isFile(), () => true) ? 'exists' : 'impossible')
}

/** The running process of an earlier version that has the directory open. It updates the file's time twice a second. */
async function livingOwner(path: string, signal?: AbortSignal | undefined): Promise<Owner | undefined> {
  const owner = await read(path)
  if (owner?.claims) return undefined
  const isHere = owner?.host === hostname()
  if (owner && isHere && !isAlive(owner.pid)) return undefined
  // On the same machine both processes use the same clock.
  if (isHere && Date.now() - (await timeOf(path) ?? 0) > FRESH_MS) return undefined
  return await beats(path, signal) ? owner ?? await read(path) : undefined
}

async function read(path: string): Promise<LockFile | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as LockFile
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
