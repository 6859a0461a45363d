import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { freePort, temporaryDirectory } from './postgres'

/** Whether Redis is installed; its tests are skipped where it is not. */
export const hasRedis = (): boolean => spawnSync('redis-server', ['--version']).status === 0

export interface Redis {
  /** Sends one command on a connection of its own. Rejects for an error, and when the connection breaks. */
  send(...command: string[]): Promise<string>
  /** All entries of a stream, as objects of their fields. */
  entries(stream: string): Record<string, string>[]
  /** Ends it at once, whatever is under way, and starts it again on the same data. */
  killAndStart(): Promise<void>
}

/** Starts a Redis that writes each command to its disk before it answers. It ends with the test. */
export async function startRedis(): Promise<Redis> {
  const directory = await temporaryDirectory()
  const port = await freePort()
  let server: ChildProcess

  async function start(): Promise<void> {
    server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--appendonly', 'yes', '--appendfsync', 'always', '--save', ''], { stdio: 'ignore' })
    while (await send('PING').catch(() => '') !== '+PONG') {
      if (server.exitCode !== null) throw new Error(`Redis ended with ${server.exitCode}`)
      await sleep(20)
    }
  }

  async function kill(): Promise<void> {
    const ended = once(server, 'exit')
    server.kill('SIGKILL')
    await ended
  }

  const send = (...command: string[]) => new Promise<string>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let reply = ''
    socket.on('data', (chunk) => {
      reply += chunk.toString()
      // Every command here answers with one value.
      if (reply.endsWith('\r\n')) socket.end()
    })
    socket.on('error', reject)
    socket.on('close', () => reply.endsWith('\r\n') && !reply.startsWith('-') ? resolve(reply.trim()) : reject(new Error(reply || 'the connection broke')))
    socket.write(`*${command.length}\r\n${command.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`)
  })

  await start()
  onTestFinished(async () => {
    await kill()
    await rm(directory, { recursive: true, force: true })
  })
  return {
    send,
    entries(stream) {
      const { stdout } = spawnSync('redis-cli', ['-p', String(port), '--json', 'XRANGE', stream, '-', '+'], { encoding: 'utf8', maxBuffer: 1 << 26 })
      return (JSON.parse(stdout) as [id: string, fields: string[]][]).map(([, fields]) =>
        Object.fromEntries(fields.flatMap((name, at) => at % 2 === 0 ? [[name, fields[at + 1]!]] : [])))
    },
    async killAndStart() {
      await kill()
      await start()
    },
  }
}
