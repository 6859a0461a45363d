import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePort, serverUser, temporaryDirectory } from './postgres'

/** Whether PgBouncer is installed; its tests are skipped where it is not. */
export const hasPgBouncer = (): boolean => spawnSync('pgbouncer', ['--version']).status === 0

export interface PgBouncer {
  /** The URL of a server's database, by way of the pooler. */
  urlOf(url: string): string
  stop(): Promise<void>
}

/** Starts a PgBouncer before the server of `url`, for all of its databases. */
export async function startPgBouncer(url: string, settings: Record<string, string> = {}): Promise<PgBouncer> {
  const server = new URL(url)
  const owner = await serverUser()
  const root = await temporaryDirectory()
  const port = await freePort()
  const [config, users] = [join(root, 'pgbouncer.ini'), join(root, 'users.txt')]
  const password = decodeURIComponent(server.password)
  await writeFile(users, `"${server.username}" "${password}"\n`)
  await writeFile(config, [
    '[databases]', `* = host=127.0.0.1 port=${server.port} user=${server.username} password=${password}`,
    '[pgbouncer]',
    ...Object.entries({
      listen_addr: '127.0.0.1', listen_port: String(port), unix_socket_dir: '', auth_type: 'scram-sha-256', auth_file: users,
      pool_mode: 'transaction', max_client_conn: '500', default_pool_size: '10', ...settings,
    }).map(([name, value]) => `${name} = ${value}`),
  ].join('\n'))
  for (const path of [root, config, users]) {
    await chmod(path, 0o755)
    if (owner.uid !== undefined && owner.gid !== undefined) await chown(path, owner.uid, owner.gid)
  }
  const urlOf = (one: string) => Object.assign(new URL(one), { host: `127.0.0.1:${port}` }).href
  const child = spawn('pgbouncer', [config], { ...owner, cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4000)
  })
  const ended = once(child, 'exit')
  while (!await answers(urlOf(url))) {
    if (child.exitCode !== null) throw new Error(`PgBouncer did not start: ${log}`)
    await sleep(50)
  }
  return {
    urlOf,
    async stop() {
      child.kill('SIGTERM')
      await ended
      await rm(root, { recursive: true, force: true })
    },
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    return true
  }
  catch {
    return false
  }
  finally {
    await client.end()
  }
}
