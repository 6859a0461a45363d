import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** PgBouncer is not installed everywhere; its tests are skipped then. */
export const hasBouncer = spawnSync('pgbouncer', ['--version']).status === 0

/** Puts a PgBouncer before the server of a URL. */
export async function startBouncer(serverUrl: string, settings: Record<string, string>): Promise<{ url: string, stop(): Promise<void> }> {
  const server = new URL(serverUrl)
  const directory = await mkdtemp(join(tmpdir(), 'nvent-store-bouncer-'))
  await chmod(directory, 0o755)
  const port = await freePort()
  const [config, users] = [join(directory, 'pgbouncer.ini'), join(directory, 'users.txt')]
  const all = {
    listen_addr: '127.0.0.1', listen_port: port, unix_socket_dir: '', auth_type: 'plain', auth_file: users, ...settings,
  }
  await writeFile(users, `"${decodeURIComponent(server.username)}" "${decodeURIComponent(server.password)}"\n`)
  await writeFile(config, [
    '[databases]', `* = host=${server.hostname} port=${server.port}`, '[pgbouncer]', ...Object.entries(all).map(([name, value]) => `${name} = ${value}`),
  ].join('\n'))
  const child = spawn('pgbouncer', ['--quiet', config], { stdio: 'ignore', ...nobodySpecial() })
  const ended = once(child, 'exit')
  const url = Object.assign(new URL(serverUrl), { host: `127.0.0.1:${port}` }).href
  while (!await isUp(url)) {
    if (child.exitCode !== null) throw new Error(`PgBouncer ended with ${child.exitCode}`)
    await sleep(20)
  }
  return {
    url,
    async stop() {
      child.kill('SIGKILL')
      await ended
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** PgBouncer refuses to run as root. */
function nobodySpecial(): { uid?: number } {
  return userInfo().uid === 0 ? { uid: Number(execFileSync('id', ['-u', 'postgres'], { encoding: 'utf8' })) } : {}
}

async function isUp(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url })
  return client.connect().then(() => client.end()).then(() => true, () => false)
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
