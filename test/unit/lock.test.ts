import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types/index'
import { startProcess, startThread } from './peers'
import type { Peer } from './peers'

// Every test opens a database of its own several times over.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const root = mkdtempSync(join(tmpdir(), 'nvent-store-lock-'))
const template = join(root, 'template')
const peers: Peer[] = []
const stores: Store[] = []
let directories = 0

/** With a database in it: a copy is made in a moment, a new one in seconds. */
function freshDirectory(): { directory: string, lock: string } {
  const directory = join(root, `data ${directories++}`)
  cpSync(template, directory, { recursive: true })
  return { directory, lock: `${directory}.lock` }
}

/** Refuses at once what another process holds: it would try again for `connectTimeout`. */
const at = (directory: string) => ({ connection: `pglite://${encodeURIComponent(directory)}`, connectTimeout: 0 })

function open(directory: string, connectTimeout = 0): Store {
  const store = createStore({ ...at(directory), connectTimeout, logger: quiet })
  stores.push(store)
  return store
}

async function started(peer: Promise<Peer>): Promise<Peer> {
  peers.push(await peer)
  return peer
}

/** The lock as another process left it `age` milliseconds ago. */
function writeLock(lock: string, owner: unknown, age = 0): void {
  writeFileSync(lock, typeof owner === 'string' ? owner : JSON.stringify(owner))
  setAge(lock, age)
}

function setAge(lock: string, age: number): void {
  const time = new Date(Date.now() - age)
  utimesSync(lock, time, time)
}

async function deadPid(): Promise<number> {
  const peer = await startProcess()
  await peer.kill()
  return peer.pid
}

beforeAll(async () => {
  const store = open(template)
  await store.ready()
  await store.close()
})

afterEach(async () => {
  await Promise.all(peers.splice(0).map(peer => peer.kill()))
  await Promise.all(stores.splice(0).map(store => store.close()))
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('two processes on one embedded directory', () => {
  it('are refused, with the pid of the one that has it', async () => {
    const { directory, lock } = freshDirectory()
    const peer = await started(startProcess())
    await peer.ask('open', at(directory))
    await peer.ask('set', 'a', 1)

    const store = open(directory)
    await expect(store.kv.get('a')).rejects.toMatchObject({
      code: 'DATABASE_LOCKED',
      message: expect.stringMatching(new RegExp(`process ${peer.pid}\\b`)) as string,
      details: { pid: peer.pid, directory },
    })
    await expect(store.ready()).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: peer.pid })
    expect(await peer.ask('get', 'a')).toBe(1)
  })

  it('are refused the other way about, too', async () => {
    const { directory } = freshDirectory()
    const store = open(directory)
    await store.kv.set('a', 1)
    const peer = await started(startProcess())
    await expect(peer.ask('open', at(directory))).rejects.toThrow(`DATABASE_LOCKED: the embedded database in ${directory} is open in process ${process.pid} `)
    await store.kv.set('a', 2)
    expect(await store.kv.get('a')).toBe(2)
  })

  it('come one after the other: the second gets it, with everything in it, once the first has closed', async () => {
    const { directory } = freshDirectory()
    const peer = await started(startProcess())
    await peer.ask('open', at(directory))
    await peer.ask('set', 'a', 1)
    const store = open(directory, 60_000)
    const found = store.kv.get('a')
    await peer.ask('set', 'a', 2)
    await peer.ask('close')
    expect(await found).toBe(2)
  })

  it('are told apart by host: one that can\'t be asked is taken for alive', async () => {
    const { directory, lock } = freshDirectory()
    writeLock(lock, { pid: await deadPid(), threadId: 0, host: `not-${hostname()}` }, 60_000)
    await expect(open(directory).ready()).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
  })

  it.each([
    ['a detour', (directory: string) => `${directory}/../${basename(directory)}/`],
    ['a path from the working directory', (directory: string) => relative(process.cwd(), directory)],
    ['a symbolic link', (directory: string) => {
      symlinkSync(root, `${directory}-link`)
      return join(`${directory}-link`, basename(directory))
    }],
  ])('are refused when the second knows the directory by %s', async (_way, otherName) => {
    const { directory } = freshDirectory()
    await open(directory).ready()
    const peer = await started(startProcess())
    await expect(peer.ask('open', at(otherName(directory)))).rejects.toThrow('DATABASE_LOCKED')
  })
})

describe('a lock that nobody holds any more', () => {
  it('is taken over from a process that is dead', async () => {
    const { directory, lock } = freshDirectory()
    writeLock(lock, { pid: await deadPid(), threadId: 0, host: hostname() })
    const store = open(directory)
    await store.kv.set('a', 1)
    expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: process.pid })
    await store.close()
    expect(() => statSync(lock)).toThrow('ENOENT')
  })

  it.each(['', '{"pid":1', '\0\0\0'])('is taken over when it was cut off while it was written: %j', async (text) => {
    const { directory, lock } = freshDirectory()
    writeLock(lock, text, 60_000)
    const store = open(directory)
    await store.kv.set('a', 1)
    expect(await store.kv.get('a')).toBe(1)
  })

  it('is taken over from a writer that was killed, and nothing acknowledged is lost', async () => {
    const { directory } = freshDirectory()
    let acknowledged = 0
    for (const round of [1, 2, 3]) {
      const peer = await started(startProcess())
      await peer.ask('open', at(directory))
      let inRound = 0
      await new Promise<void>((resolve) => {
        peer.onSaid((id) => {
          acknowledged = Number(id)
          if (++inRound === round * 30) resolve()
        })
        peer.ask('write', acknowledged).catch(() => resolve())
      })
      await peer.kill()

      const store = open(directory)
      const events = await store.stream.read('written:all')
      const numbers = events.map(event => event.data as number)
      // One more may have been written without a word of it.
      expect(numbers.slice(0, acknowledged)).toEqual(Array.from({ length: acknowledged }, (_, at) => at + 1))
      expect(numbers.length - acknowledged).toBeLessThanOrEqual(1)
      expect(await store.kv.get('last')).toBeGreaterThanOrEqual(acknowledged)
      acknowledged = numbers.length
      await store.close()
    }
  })
})

describe('two threads of one process', () => {
  it('come one after the other: the second waits until the first has closed', async () => {
    const { directory } = freshDirectory()
    const peer = await started(startThread())
    await peer.ask('open', at(directory))
    const store = open(directory)
    const found = store.kv.get('a')
    for (let value = 1; value <= 20; value++) await peer.ask('set', 'a', value)
    await peer.ask('close')
    expect(await found).toBe(20)
  })

  it('leave a lock in peace while its thread lives, for its heartbeat keeps it fresh', async () => {
    const { directory, lock } = freshDirectory()
    const peer = await started(startThread())
    await peer.ask('open', at(directory))
    setAge(lock, 60_000)
    while (Date.now() - statSync(lock).mtimeMs > 30_000) await sleep(20)
    const found = open(directory).kv.get('a')
    await peer.ask('set', 'a', 'still here')
    await peer.ask('close')
    expect(await found).toBe('still here')
  })

  it('take over from a thread that was terminated', async () => {
    const { directory, lock } = freshDirectory()
    const peer = await started(startThread())
    await peer.ask('open', at(directory))
    await peer.ask('set', 'a', 'acknowledged')
    await peer.kill()
    expect(statSync(lock).isFile()).toBe(true)
    expect(await open(directory).kv.get('a')).toBe('acknowledged')
  })
})
