import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import type { StoreError } from '../../shared/errors'
import type { Owner } from './lockErrors'
import { dial, linesOf, listenAt } from './lockSocket'

const BEAT_MS = 500
const SILENT_MS = 5_000
const LOOK_MS = 100
const ANSWER_MS = 1_000

/** Identifies the kernel that owns a socket: on a network file system, other machines see the file but can't connect to it. */
const thisMachine = () => machine ??= createHash('sha256').update(kernel()).digest('hex').slice(0, 8)
let machine: string | undefined

function kernel(): string {
  try {
    // Containers on one machine share it.
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')
  }
  catch {
    return hostname()
  }
}

/** A claim is a file. Its name identifies its owner, is unique, and sorts by the time of creation. */
export interface Claim {
  path: string
  stamp: string
  machine: string
  pid: number
  threadId: number
  /** Whether the file is a socket, or represents a pipe: connecting to it shows whether its process still runs. */
  answers: boolean
}

/** The running process or thread that owns a claim. */
export interface Holder {
  claim: Claim
  owner(): Promise<Owner>
  /** Whether it releases the claim or ends within `withinMs` milliseconds. */
  gone(withinMs: number, signal?: AbortSignal | undefined): Promise<boolean>
  /** Exchanges lines with it, where it is reachable. */
  talk?: Talk
  end(): void
}

/** Receives lines. The returned function sends a line, and returns false when the other end has closed the connection. */
export type Talk = (onLine: (line: string) => void, onEnd: () => void) => (line: string) => boolean

/** How long to wait for the owner of a directory. */
export interface Wait {
  directory: string
  /** On the clock of `performance.now()`. */
  deadline: number
  signal?: AbortSignal | undefined
  /** Called with an error that names the owner. */
  onWait?: ((reason: StoreError) => void) | undefined
}

export interface OwnClaim {
  path: string
  withdraw(): Promise<void>
}

const abortedBy = (signal: AbortSignal | undefined) => signal ? { signal } : {}

const NAME = /^([0-9a-z]+)-([0-9a-f]{8})-(\d+)-(\d+)\.(sock|file)$/

export async function readClaims(folder: string): Promise<Claim[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.sort().flatMap((name) => {
    const [, stamp, machine, pid, threadId, kind] = NAME.exec(name) ?? []
    return stamp === undefined ? [] : [{ path: join(folder, name), stamp, machine: machine!, pid: Number(pid), threadId: Number(threadId), answers: kind === 'sock' }]
  })
}

/** Creates a claim. It lasts until it is withdrawn, its thread or process ends, or its file is removed. */
export async function makeClaim(folder: string, onConnection: (socket: Socket) => void): Promise<OwnClaim> {
  const stamp = `${Date.now().toString(36).padStart(9, '0')}${randomBytes(2).toString('hex')}`
  const open = new Set<Socket>()
  const self: Owner = { pid: process.pid, threadId, host: hostname(), since: new Date().toISOString() }
  const server = createServer((socket) => {
    open.add(socket)
    socket.unref().on('error', () => socket.destroy()).on('close', () => open.delete(socket))
    socket.write(`${JSON.stringify(self)}\n`)
    onConnection(socket)
  })
  // The server could not accept a connection: the other process relies on the heartbeat instead.
  server.on('error', () => undefined)
  const path = await publish(folder, stamp, server).catch((error) => {
    server.close()
    throw error
  })
  const stopBeat = startBeat(path)
  return {
    path,
    async withdraw() {
      stopBeat()
      await rm(path, { force: true })
      for (const socket of open) socket.destroy()
      server.close()
    },
  }
}

async function publish(folder: string, stamp: string, server: Server): Promise<string> {
  // Renamed only when the socket accepts connections: a claim that refuses them counts as abandoned.
  const draft = join(folder, `.${stamp}`)
  const place = await listenAt(server, draft, stamp)
  if (place !== 'path') await writeFile(draft, '', { mode: 0o600 })
  await chmod(draft, 0o600)
  const path = join(folder, `${stamp}-${thisMachine()}-${process.pid}-${threadId}.${place === 'nowhere' ? 'file' : 'sock'}`)
  await rename(draft, path)
  return path
}

/** Updates the modification time of a file, so that processes that can't connect see that its owner is running. */
export function startBeat(path: string): () => void {
  const beat = setInterval(() => {
    const now = new Date()
    // The file was removed; the owner detects that by itself.
    utimes(path, now, now).catch(() => clearInterval(beat))
  }, BEAT_MS)
  beat.unref()
  return () => clearInterval(beat)
}

/** Whether the file's modification time changes. It is not compared with a clock: clocks differ between machines, and jump. */
export async function beats(path: string, signal?: AbortSignal | undefined): Promise<boolean> {
  const before = await timeOf(path)
  for (let waited = 0; waited < SILENT_MS && before !== undefined; waited += LOOK_MS) {
    await sleep(LOOK_MS, undefined, abortedBy(signal))
    const now = await timeOf(path)
    if (now !== before) return now !== undefined
  }
  return false
}

export async function timeOf(path: string): Promise<number | undefined> {
  return stat(path).then(({ mtimeMs }) => mtimeMs, (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
}

/** The holder of a claim; undefined when the claim is abandoned. */
export async function holderOf(claim: Claim, signal?: AbortSignal | undefined): Promise<Holder | undefined> {
  const { pid, threadId } = claim
  const unreachable: Holder = {
    claim,
    owner: async () => ({ pid, threadId }),
    async gone(withinMs, signal) {
      await sleep(Math.min(withinMs, LOOK_MS), undefined, abortedBy(signal))
      return true
    },
    end: () => {},
  }
  if (claim.answers && claim.machine === thisMachine()) {
    const socket = await dial(claim.path, claim.stamp)
    if (typeof socket !== 'string') return reachable(claim, socket)
    if (socket === 'ECONNREFUSED' || socket === 'ENOENT') return undefined
    // Its queue of connections is full: the process is running, but busy.
    if (socket === 'EAGAIN') return unreachable
  }
  return await beats(claim.path, signal) ? unreachable : undefined
}

function reachable(claim: Claim, socket: Socket): Holder {
  const closed = new Promise<true>(resolve => socket.once('close', () => resolve(true)))
  const lines = linesOf(socket)
  // The first line identifies the owner, and may arrive together with the next one.
  let receive: (line: string) => void = () => {}
  const answered = new Promise<string>(resolve => lines.once('line', (line) => {
    lines.on('line', next => receive(next))
    resolve(line)
  }))
  return {
    claim,
    async owner() {
      // A busy process answers late. The accepted connection is proof enough that it is running.
      const line = await Promise.race([answered, closed, sleep(ANSWER_MS, undefined, { ref: false })])
      return typeof line === 'string' ? JSON.parse(line) as Owner : { pid: claim.pid, threadId: claim.threadId }
    },
    talk(onLine, onEnd) {
      receive = onLine
      void closed.then(onEnd)
      return line => socket.writable && (socket.write(line), true)
    },
    gone: (withinMs, signal) => Promise.race([closed, sleep(withinMs, false, { ...abortedBy(signal), ref: false })]),
    end: () => void socket.destroy(),
  }
}
