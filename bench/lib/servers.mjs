import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { USER, programsOf, reachable, serverUser, which } from './programs.mjs'

const run = promisify(execFile)

const PASSWORD = 'nvent-bench'
const STOP_MS = 2000

/** Durable settings, the same for all contestants. All others are the defaults of the version. */
export const POSTGRES_SETTINGS = {
  fsync: 'on',
  synchronous_commit: 'on',
  shared_buffers: '512MB',
  max_wal_size: '4GB',
  max_connections: '200',
}
/** Settings for counts and times that must not depend on when a checkpoint or autovacuum starts. */
export const STEADY = { checkpoint_timeout: '1h' }
export const QUIET = { ...STEADY, autovacuum: 'off' }

export const REDIS_SETTINGS = { appendonly: 'yes', appendfsync: 'everysec', save: '' }

/**
 * A server in a temporary directory on a free port.
 * @typedef {{ name: string, url: string, port: number, version: string, pid: number, stop: () => Promise<void> }} Server
 */

const running = new Set()
const directories = new Set()

// However this process ends, no server is left running.
process.on('exit', () => {
  running.forEach(child => child.kill('SIGKILL'))
  directories.forEach(directory => rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }))
})
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => stopAll().finally(() => process.exit(1)))

const stops = new Set()

/** Stops every server that was started here and removes its directory. */
export async function stopAll() {
  await Promise.all([...stops].map(stop => stop()))
}

/**
 * @param {'15' | '18'} major
 * @param {Record<string, string>} own settings that only one script needs; its report must mention them
 * @returns {Promise<Server>} with the administrator's URL of the database `postgres`
 */
export async function startPostgres(major, own = {}) {
  const { directory, owner } = await temporaryDirectory()
  const programs = await reachable(await programsOf(major), directory, owner)
  const data = join(directory, 'data')
  const passwords = join(directory, 'password')
  await writeFile(passwords, `${PASSWORD}\n`)
  if (owner.uid !== undefined) await chown(passwords, owner.uid, owner.gid)
  await run(join(programs, 'initdb'), [
    `--pgdata=${data}`, `--username=${USER}`, `--pwfile=${passwords}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync',
  ], { ...owner, cwd: directory })
  const port = await freePort()
  const url = `postgres://${USER}:${PASSWORD}@127.0.0.1:${port}/postgres`
  const settings = { listen_addresses: '127.0.0.1', unix_socket_directories: '', ...POSTGRES_SETTINGS, ...own }
  const { pid, stop } = launch(join(programs, 'postgres'), [
    '-D', data, '-p', String(port), ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ], { directory, owner })
  const version = await untilAnswers(() => query(url, 'show server_version'))
  return { name: `PostgreSQL ${major}`, url, port, version: version[0].server_version.split(' ')[0], pid, stop }
}

/** @returns {Promise<Server | undefined>} undefined where Redis is not installed */
export async function startRedis() {
  const program = await which('redis-server')
  if (!program) return undefined
  const { directory, owner } = await temporaryDirectory()
  const port = await freePort()
  const settings = { bind: '127.0.0.1', port, dir: directory, ...REDIS_SETTINGS }
  const { pid, stop } = launch(program, Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]), { directory, owner })
  const { stdout } = await run(program, ['--version'])
  await untilAnswers(() => ping(port))
  return { name: 'Redis', url: `redis://127.0.0.1:${port}`, port, version: /v=(\S+)/.exec(stdout)[1], pid, stop }
}

/** A new database on a server. @returns {Promise<string>} its URL */
export async function createDatabase(server, name) {
  await query(server.url, `create database "${name}"`)
  return server.url.replace(/postgres$/, name)
}

/** Runs SQL on a separate connection. @returns {Promise<Record<string, string>[]>} */
export async function query(url, text, values) {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  try {
    await client.connect()
    const result = await client.query(text, values)
    return result.rows ?? []
  }
  finally {
    await client.end().catch(() => {})
  }
}

function launch(program, parameters, { directory, owner }) {
  const child = spawn(program, parameters, { ...owner, cwd: directory, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk) => {
    log = (log + chunk).slice(-4000)
  })
  let stopping = false
  child.once('exit', (code) => {
    running.delete(child)
    if (stopping) return
    console.error(`${program} ended with code ${code}\n${log}`)
    process.exit(1)
  })
  running.add(child)
  const stop = async () => {
    stops.delete(stop)
    if (!stopping && running.has(child)) {
      stopping = true
      const ended = once(child, 'exit')
      // SIGTERM lets PostgreSQL wait for its clients to disconnect, SIGINT makes it disconnect them.
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGINT'), STOP_MS)
      await ended
      clearTimeout(timer)
    }
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
    directories.delete(directory)
  }
  stops.add(stop)
  return { pid: child.pid, stop }
}

async function untilAnswers(ask) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask()
    }
    catch (error) {
      if (attempt > 200) throw error
      await sleep(50)
    }
  }
}

async function ping(port) {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    socket.write('PING\r\n')
    const [answer] = await once(socket, 'data')
    if (!String(answer).startsWith('+PONG')) throw new Error(`Redis replied ${answer} to PING`)
  }
  finally {
    socket.destroy()
  }
}

async function temporaryDirectory() {
  const owner = await serverUser()
  const directory = await mkdtemp(join(tmpdir(), 'nvent-store-postgres-bench-'))
  directories.add(directory)
  await chmod(directory, 0o755)
  if (owner.uid !== undefined) await chown(directory, owner.uid, owner.gid)
  return { directory, owner }
}

async function freePort() {
  const listener = createServer()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address()
  listener.close()
  await once(listener, 'close')
  return port
}
