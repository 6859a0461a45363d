import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { LOCK_FOLDER } from '../../src/runtime/core/db/pglite/directoryLock'
import { createStore } from '../../src/runtime/core/index'
import type { Store } from '../../src/runtime/core/types'
import { startProcess, startThread } from './peers'
import type { Peer } from './peers'

// Every test opens a database of its own several times over.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

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

  it('are refused while the one that has it is too busy to say anything', async () => {
    const { directory } = freshDirectory()
    const peer = await started(startProcess())
    await peer.ask('open', at(directory))
    const isBlocked = new Promise(resolve => peer.onSaid(resolve))
    const unblocked = peer.ask('block', 8_000)
    await isBlocked
    await expect(open(directory, 1_000).ready()).rejects.toMatchObject({ code: 'DATABASE_LOCKED', details: { pid: peer.pid } })
    await unblocked
    await peer.ask('set', 'a', 'still here')
  })

  it('are refused where the path is longer than that of a socket may be', async () => {
    const directory = join(root, 'long'.repeat(40), 'data')
    cpSync(template, directory, { recursive: true })
    const peer = await started(startProcess())
    await peer.ask('open', at(directory))
    await expect(open(directory).ready()).rejects.toMatchObject({ code: 'DATABASE_LOCKED', details: { pid: peer.pid } })
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

describe('a lock that is no longer held', () => {
  it('is taken over from a process that is dead', async () => {
    const { directory, lock } = freshDirectory()
    writeLock(lock, { pid: await deadPid(), threadId: 0, host: hostname() })
    const store = open(directory)
    await store.kv.set('a', 1)
    expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: process.pid })
    await store.close()
    expect(() => statSync(lock)).toThrow('ENOENT')
  })

  it('is taken over when it was cut off while it was written', async () => {
    // Side by side: each waits for a sign of life.
    await Promise.all(['', '{"pid":1', '\0\0\0'].map(async (text) => {
      const { directory, lock } = freshDirectory()
      writeLock(lock, text, 60_000)
      const store = open(directory)
      await store.kv.set('a', 1)
      expect(await store.kv.get('a'), text).toBe(1)
      await store.close()
    }))
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

describe('a lock file of an earlier version', () => {
  const alive = process.ppid
  const LEFT: [kind: string, change: (owner: { pid: number, threadId: number, host: string }) => object, age: number][] = [
    ['another host', owner => ({ ...owner, host: `not-${hostname()}` }), 60_000],
    ['another host, a moment ago', owner => ({ ...owner, host: `not-${hostname()}` }), 0],
    ['a time to come', owner => owner, -3_600_000],
    ['a process id that lives again as another process', owner => ({ ...owner, pid: alive }), 60_000],
    ['the first process of a container', owner => ({ ...owner, pid: 1 }), 60_000],
    ['our own process id', owner => ({ ...owner, pid: process.pid }), 60_000],
    ['our own process id and a time to come', owner => ({ ...owner, pid: process.pid, threadId: 7 }), -3_600_000],
  ]

  it('that is not kept fresh is taken over, whatever it says', async () => {
    // Side by side: each waits for a sign of life.
    await Promise.all(LEFT.map(async ([kind, change, age]) => {
      const { directory, lock } = freshDirectory()
      writeLock(lock, change({ pid: alive, threadId: 0, host: hostname() }), age)
      const store = open(directory, 60_000)
      await store.kv.set('a', 1)
      expect(await store.kv.get('a'), kind).toBe(1)
      await store.close()
    }))
  })

  it('that is kept fresh is respected, and waited for no longer than `connectTimeout`', async () => {
    const { directory, lock } = freshDirectory()
    writeLock(lock, { pid: process.ppid, threadId: 0, host: hostname() })
    const beat = setInterval(() => setAge(lock, 0), 200)
    await expect(open(directory).ready()).rejects.toMatchObject({ code: 'DATABASE_LOCKED', details: { pid: process.ppid } })
    const found = open(directory, 60_000).kv.get('a')
    await sleep(500)
    clearInterval(beat)
    rmSync(lock)
    expect(await found).toBe(null)
  })
})

describe('two threads of one process', () => {
  it('come one after the other: the second waits until the first has closed', async () => {
    const { directory } = freshDirectory()
    const peer = await started(startThread())
    await peer.ask('open', at(directory))
    const store = open(directory, 60_000)
    const found = store.kv.get('a')
    for (let value = 1; value <= 20; value++) await peer.ask('set', 'a', value)
    await peer.ask('close')
    expect(await found).toBe(20)
  })

  it('wait for each other no longer than `connectTimeout`, and not when they are closed', async () => {
    const { directory } = freshDirectory()
    const peer = await started(startThread())
    await peer.ask('open', at(directory))
    await expect(open(directory, 300).ready()).rejects.toMatchObject({
      code: 'DATABASE_LOCKED', message: expect.stringMatching(/\(thread \d+\)/) as string, details: { pid: process.pid, threadId: expect.any(Number) as number },
    })
    const waiting = open(directory, 600_000)
    const found = waiting.ready()
    found.catch(() => undefined)
    await sleep(100)
    await waiting.close()
    await expect(found).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('lose nothing when the one that writes blocks its event loop for long', async () => {
    const { directory } = freshDirectory()
    const peer = await started(startThread())
    await peer.ask('open', at(directory))
    const written = peer.ask('writeBlocked', 20, 8_000)
    const store = open(directory, 60_000)
    const first = store.stream.append('written:all', { type: 'written', data: 'later' })
    expect(await written).toBe(20)
    await peer.ask('close')
    await first
    expect((await store.stream.read('written:all')).map(({ data }) => data)).toEqual([...Array.from({ length: 20 }, (_, at) => at + 1), 'later'])
  })

  it('take over from a thread that was terminated', async () => {
    const { directory } = freshDirectory()
    const peer = await started(startThread())
    await peer.ask('open', at(directory))
    await peer.ask('set', 'a', 'acknowledged')
    await peer.kill()
    expect(await open(directory, 60_000).kv.get('a')).toBe('acknowledged')
  })
})

describe('a writer that lost its lock', () => {
  const takeAway = (directory: string) => rmSync(join(directory, LOCK_FOLDER), { recursive: true })

  it('never writes again, and closes without writing', async () => {
    const { directory } = freshDirectory()
    const first = open(directory)
    await first.kv.set('a', 'acknowledged')
    takeAway(directory)
    for (let attempt = 0; attempt < 3; attempt++) {
      await expect(first.kv.set('a', 'lost')).rejects.toMatchObject({ code: 'DATABASE_LOCKED', retryable: false })
      await expect(first.kv.get('a')).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    }
    const peer = await started(startProcess())
    await peer.ask('open', { ...at(directory), connectTimeout: 60_000 })
    await first.close()
    expect(await peer.ask('get', 'a')).toBe('acknowledged')
    await peer.ask('set', 'a', 'next')
    await peer.ask('close')
    expect(await open(directory).kv.get('a')).toBe('next')
  })

  it('commits no transaction that is open', async () => {
    const { directory } = freshDirectory()
    const first = open(directory)
    await expect(first.transaction(async (tx) => {
      await tx.kv.set('a', 'uncommitted')
      takeAway(directory)
    })).rejects.toMatchObject({ code: 'DATABASE_LOCKED' })
    const peer = await started(startProcess())
    await peer.ask('open', { ...at(directory), connectTimeout: 60_000 })
    expect(await peer.ask('get', 'a')).toBe(null)
  })
})
