import { spawn } from 'node:child_process'
import type { SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onFileEnd } from '../setup/database'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const fixture = (name: string) => join(root, 'test/fixtures', name)

/** Of a build, in milliseconds: ends what hangs, and judges no speed. */
export const SETUP_LIMIT = 600_000

/** Nothing of the machine the tests run on decides which database an app uses. */
export const noDatabase = {
  DATABASE_URL: undefined, POSTGRES_URL: undefined, NUXT_NVENT_STORE_POSTGRES_CONNECTION: undefined, NITRO_NVENT_STORE_POSTGRES_CONNECTION: undefined,
}

/** A directory outside the repository, removed when the test file has ended. */
export async function outside(name: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), `nvent-store-${name}-`))
  onFileEnd(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}

/** Asks again until the answer is right; the test's own time limit ends it. */
export async function until<T>(ask: () => Promise<T> | T, right: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (right(answer)) return answer
    await sleep(100)
  }
}

export interface App {
  url: string
  /** All it has written to its output so far. */
  logs(): string
  pid: number
  hasEnded(): boolean
  /** Asks it to end, and waits until it has. */
  stop(): Promise<number | null>
  /** Ends it at once, with whatever it is doing. */
  kill(): Promise<void>
  post<T = Record<string, unknown>>(path: string, body?: unknown, patience?: number): Promise<T>
}

export interface AppOptions {
  cwd?: string
  env?: Record<string, string | undefined>
}

/** Starts `server/index.mjs` of a build. */
export function startOutput(output: string, options: AppOptions): Promise<App> {
  return startApp([join(output, 'server/index.mjs')], { cwd: output, ...options })
}

/** Starts a Node program that serves HTTP and says where. */
export async function startApp(args: string[], { cwd = root, env = {} }: AppOptions): Promise<App> {
  const child = spawnNode(args, {
    cwd, env: { ...process.env, ...noDatabase, NODE_ENV: undefined, HOST: '127.0.0.1', PORT: '0', CONSOLA_LEVEL: '3', ...env },
  })
  const end = async (signal: NodeJS.Signals) => {
    if (child.hasEnded()) return
    // The whole group: the development server is a child of the command.
    process.kill(-child.process.pid!, signal)
    await child.ended
  }
  const stop = async () => {
    await end('SIGTERM')
    return child.process.exitCode
  }
  onFileEnd(stop)
  const address = await until(
    () => /(?:Listening on|Local:)\s+(http:\/\/[^\s/]+)/.exec(child.logs())?.[1],
    found => found !== undefined || child.hasEnded(),
  )
  if (address === undefined) throw new Error(`the app ended before it listened:\n${child.logs()}`)
  return {
    url: address,
    logs: child.logs,
    pid: child.process.pid!,
    hasEnded: child.hasEnded,
    stop,
    kill: () => end('SIGKILL'),
    post: async <T>(path: string, body: unknown = {}, patience = 60_000) => {
      const response = await fetch(address + path, {
        method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' }, signal: AbortSignal.timeout(patience),
      })
      return await response.json() as T
    },
  }
}

/** `nuxt dev` in a directory. */
export async function startDev(directory: string, env: AppOptions['env'] = {}): Promise<App> {
  const port = await freePort()
  return startApp([join(root, 'node_modules/nuxt/bin/nuxt.mjs'), 'dev', '--port', String(port), '--host', '127.0.0.1'], { cwd: directory, env })
}

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Runs a Node program to its end. */
export async function runNode(args: string[], options: AppOptions): Promise<{ code: number | null, logs: string }> {
  const child = spawnNode(args, {
    cwd: options.cwd ?? root, env: { ...process.env, ...noDatabase, NODE_ENV: undefined, TEST: undefined, CONSOLA_LEVEL: '3', ...options.env },
  })
  await child.ended
  return { code: child.process.exitCode, logs: child.logs() }
}

// Colours would split what the tests look for.
const plain = { NO_COLOR: '1', FORCE_COLOR: undefined, NUXT_TELEMETRY_DISABLED: '1' }

function spawnNode(args: string[], options: SpawnOptions) {
  const child = spawn(process.execPath, args, {
    ...options, env: { ...options.env, ...plain }, detached: true, stdio: ['ignore', 'pipe', 'pipe'],
  })
  let logs = ''
  const collect = (chunk: Buffer) => {
    logs += chunk.toString()
  }
  child.stdout!.on('data', collect)
  child.stderr!.on('data', collect)
  // What a process of its own has inherited keeps the output open: then there is nothing more to wait for.
  const closed = once(child, 'close')
  const ended = once(child, 'exit').then(() => Promise.race([closed, sleep(5_000, undefined, { ref: false })]))
  return { process: child, logs: () => logs, hasEnded: () => child.exitCode !== null || child.signalCode !== null, ended }
}

/** Files below a directory that hold a text. */
export async function filesWith(directory: string, text: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
  const found = await Promise.all(files.map(async file => (await readFile(file)).includes(text)))
  return files.filter((_, at) => found[at])
}

/** Connections that apps hold to a database, ours not among them. */
export const CONNECTIONS = `select count(*)::integer as open from pg_stat_activity
  where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`
