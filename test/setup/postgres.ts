import { spawn, execFile } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'

const run = promisify(execFile)

export const USER = 'postgres'
export const PASSWORD = 'nvent-test'
const DIRECTORY = 'nvent-store-test'
const START_ATTEMPTS = 3

/** A PostgreSQL server of our own, on a free port in a directory under the system's temporary one. */
export interface Server {
  /** Administrator's URL of the database `postgres`. */
  url: string
  port: number
  process: ChildProcess
  /** Ends the server and removes its directory; `immediate` is a crash. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Starts it again on the same port with the same data, after `halt`. */
  start(): Promise<void>
  /** Ends the server but keeps its data. */
  halt(mode?: 'fast' | 'immediate'): Promise<void>
}

/** Creates a cluster with the programs in `bin` and starts it. */
export const startServer = (bin: string, settings: Record<string, string> = {}): Promise<Server> => startCluster(bin, settings, initialise)

/** Copies a server that runs and starts the copy as its standby; `select pg_promote()` makes it a primary. */
export const startStandby = (bin: string, primary: Server, settings: Record<string, string> = {}): Promise<Server> =>
  startCluster(bin, settings, async (programs, root, owner) => {
    const data = join(root, 'data')
    await run(join(programs, 'pg_basebackup'), [
      `--pgdata=${data}`, `--dbname=${primary.url}`, '--write-recovery-conf', '--wal-method=stream', '--checkpoint=fast', '--no-sync',
    ], { ...owner, cwd: '/' })
    return data
  })

type Fill = (programs: string, root: string, owner: Owner) => Promise<string>

/** `fill` makes the data directory below `root` and says where it is. */
async function startCluster(bin: string, settings: Record<string, string>, fill: Fill): Promise<Server> {
  const owner = await serverUser()
  const root = await temporaryDirectory()
  await chmod(root, 0o755)
  try {
    const programs = await reachable(bin, root, owner)
    if (owner.uid !== undefined && owner.gid !== undefined) await chown(root, owner.uid, owner.gid)
    const data = await fill(programs, root, owner)
    for (let attempt = 1; ; attempt++) {
      const port = await freePort()
      try {
        return await serve({ programs, data, root, port, owner, settings })
      }
      catch (error) {
        // Somebody else took the port in between.
        if (attempt === START_ATTEMPTS) throw error
      }
    }
  }
  catch (error) {
    await rm(root, { recursive: true, force: true })
    throw error
  }
}

/** The pid is part of the name: a later run knows whether somebody still needs it. */
export const temporaryDirectory = (): Promise<string> => mkdtemp(join(tmpdir(), `${DIRECTORY}-${process.pid}-`))

interface Owner {
  uid?: number
  gid?: number
}

interface Cluster {
  programs: string
  data: string
  root: string
  port: number
  owner: Owner
  settings: Record<string, string>
}

/** PostgreSQL refuses to run as root: then it runs as the user `postgres`, made when it is missing. */
export async function serverUser(): Promise<Owner> {
  if (userInfo().uid !== 0) return {}
  const idOf = async (flag: string) => Number((await run('id', [flag, USER])).stdout)
  await idOf('-u').catch(() => run('useradd', ['--system', '--user-group', USER]))
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

/** The programs, or a copy of them where their directory can't be entered by the server's user. */
async function reachable(bin: string, root: string, owner: Owner): Promise<string> {
  const works = (directory: string) => run(join(directory, 'postgres'), ['--version'], { ...owner, cwd: '/' })
  try {
    await works(bin)
    return bin
  }
  catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    const copy = join(root, 'programs')
    await cp(dirname(bin), copy, { recursive: true, verbatimSymlinks: true })
    await works(join(copy, 'bin'))
    return join(copy, 'bin')
  }
}

async function initialise(programs: string, root: string, owner: Owner): Promise<string> {
  const data = join(root, 'data')
  const passwords = join(root, 'password')
  await writeFile(passwords, `${PASSWORD}\n`)
  if (owner.uid !== undefined && owner.gid !== undefined) await chown(passwords, owner.uid, owner.gid)
  await run(join(programs, 'initdb'), [
    `--pgdata=${data}`, `--username=${USER}`, `--pwfile=${passwords}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync',
  ], { ...owner, cwd: root })
  return data
}

async function serve(cluster: Cluster): Promise<Server> {
  const url = `postgres://${USER}:${PASSWORD}@127.0.0.1:${cluster.port}/postgres`
  const halt = async (mode: 'fast' | 'immediate' = 'fast') => {
    if (server.process.exitCode !== null || server.process.signalCode !== null) return
    const ended = once(server.process, 'exit')
    server.process.kill(mode === 'fast' ? 'SIGINT' : 'SIGQUIT')
    await ended
  }
  const server: Server = {
    url,
    port: cluster.port,
    process: await launch(cluster, url),
    halt,
    async start() {
      server.process = await launch(cluster, url)
    },
    async stop(mode) {
      await halt(mode)
      await rm(cluster.root, { recursive: true, force: true, maxRetries: 5 })
    },
  }
  return server
}

async function launch({ programs, data, root, port, owner, settings }: Cluster, url: string): Promise<ChildProcess> {
  const options = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    fsync: 'off',
    full_page_writes: 'off',
    ...settings,
  }
  const child = spawn(join(programs, 'postgres'), [
    '-D', data, '-p', String(port), ...Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ], { ...owner, cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4000)
  })
  child.on('error', (error) => {
    log += error.message
  })
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
      throw new Error(`PostgreSQL in ${programs} did not start: ${log}`)
    }
    if (await answers(url)) return child
    await sleep(50)
  }
}

async function answers(url: string): Promise<boolean> {
  return await dataDirectoryOf(url) !== undefined
}

async function dataDirectoryOf(url: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query<{ data_directory: string }>('show data_directory')).rows[0]!.data_directory
  }
  catch {
    return undefined
  }
  finally {
    await client.end().catch(() => {})
  }
}

export async function freePort(): Promise<number> {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  listener.close()
  await once(listener, 'close')
  return port
}

/** Ends servers and removes directories that a killed run has left behind. */
export async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const match = new RegExp(`^${DIRECTORY}-(\\d+)-`).exec(name)
    if (!match || isAlive(Number(match[1]))) continue
    const root = join(tmpdir(), name)
    await endLeftover(join(root, 'data'))
    await rm(root, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function endLeftover(data: string): Promise<void> {
  const lines = await readFile(join(data, 'postmaster.pid'), 'utf8').then(text => text.split('\n'), () => [])
  const pid = Number(lines[0])
  // Killed before the server had started.
  if (!pid || !lines[3]) return
  // The pid may belong to another process by now: only a server that says it is this one is ended.
  const running = await dataDirectoryOf(`postgres://${USER}:${PASSWORD}@127.0.0.1:${lines[3]}/postgres`)
  if (running !== data) return
  process.kill(pid, 'SIGQUIT')
  for (let wait = 0; wait < 100 && isAlive(pid); wait++) await sleep(50)
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  }
  catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
