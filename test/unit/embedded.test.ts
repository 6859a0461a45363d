import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import type { Store, StoreOptions } from '../../src/runtime/core/index'
import { pgliteUrl } from '../../src/runtime/core/db/connection/pgliteUrl'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const root = mkdtempSync(join(tmpdir(), 'nvent-store-embedded-'))
const template = join(root, 'template')
const stores: Store[] = []
let directories = 0

const newDirectory = () => join(root, `data-${directories++}`)

function freshDirectory(): string {
  const directory = newDirectory()
  cpSync(template, directory, { recursive: true })
  return directory
}

function open(path: string, options: StoreOptions = {}): Store {
  const store = createStore({ connection: pgliteUrl(path), connectTimeout: 0, logger: quiet, ...options })
  stores.push(store)
  return store
}

/** What others than the owner may do with a directory and what is in it. */
function openToOthers(directory: string): string[] {
  return ['.', ...readdirSync(directory, { recursive: true }).map(String)].filter(name => (statSync(join(directory, name)).mode & 0o077) !== 0)
}

beforeAll(async () => {
  const store = open(template)
  await store.ready()
  await store.close()
})

afterEach(() => Promise.all(stores.splice(0).map(store => store.close())))
afterAll(() => rmSync(root, { recursive: true, force: true }))

describe('two stores of one process on one directory', () => {
  it.each<[string, (directory: string) => string]>([
    ['the same path', directory => directory],
    ['a relative path', directory => relative(process.cwd(), directory)],
    ['a symbolic link', (directory) => {
      symlinkSync(directory, `${directory}-link`)
      return `${directory}-link`
    }],
  ])('have one database: %s', async (_way, otherName) => {
    const directory = freshDirectory()
    const [one, other] = [open(directory), open(otherName(directory), { prefix: 'other' })]
    await Promise.all([one.kv.set('a', 1), other.kv.set('a', 2)])
    expect(await one.kv.get('a')).toBe(1)
    const third = open(directory)
    expect(await third.kv.get('a')).toBe(1)
    await one.close()
    await third.kv.set('a', 3)
    await third.close()
    expect(await other.kv.get('a')).toBe(2)
    await other.close()
    expect(readdirSync(directory)).not.toContain('nvent_store.lock')
    expect(await open(directory).kv.get('a')).toBe(3)
  })

  it('have one database: a symbolic link that is opened first, to a new directory', async () => {
    const directory = newDirectory()
    mkdirSync(directory)
    symlinkSync(directory, `${directory}-link`)
    const linked = open(`${directory}-link`)
    await linked.kv.set('a', 1)
    expect(await open(directory).kv.get('a')).toBe(1)
    await linked.close()
    expect(await open(`${directory}-link`).kv.get('a')).toBe(1)
  })

  it('start together on a new directory, and on one that is being closed', async () => {
    const directory = newDirectory()
    const [one, other] = [open(directory), open(directory)]
    await Promise.all([one.kv.increment('n'), other.kv.increment('n')])
    const closed = [one.close(), other.close()]
    expect(await open(directory).kv.get('n')).toBe(2)
    await Promise.all(closed)
  })

  it('keep their transactions apart, and refuse to wait for themselves', async () => {
    const directory = freshDirectory()
    const [one, other] = [open(directory), open(directory)]
    await Promise.all(Array.from({ length: 20 }, (_, at) => (at % 2 ? one : other).transaction(async (tx) => {
      const n = await tx.kv.get('n') as number | null
      await tx.kv.set('n', (n ?? 0) + 1)
    })))
    expect(await one.kv.get('n')).toBe(20)
    await expect(one.transaction(() => other.kv.set('a', 1))).rejects.toMatchObject({ code: 'INVALID_CALL' })
    let late: Promise<unknown> | undefined
    await one.transaction(async () => {
      late = new Promise(resolve => setTimeout(resolve, 200)).then(() => other.kv.get('n'))
    })
    expect(await late).toBe(20)
  })

  it('wait for their commits when one of them wants that', async () => {
    const directory = freshDirectory()
    const relaxed = open(directory, { durability: 'relaxed' })
    const setting = () => relaxed.transaction(tx => tx.query('show synchronous_commit'))
    expect(await setting()).toMatchObject({ rows: [{ synchronous_commit: 'off' }] })
    await open(directory, { durability: 'full' }).ready()
    expect(await setting()).toMatchObject({ rows: [{ synchronous_commit: 'on' }] })
  })

  it('fail each for itself', async () => {
    const directory = newDirectory()
    mkdirSync(directory)
    writeFileSync(join(directory, 'notes.txt'), '')
    const [one, other] = [open(directory), open(directory)]
    await Promise.all([one, other].map(store => expect(store.ready()).rejects.toMatchObject({ code: 'INVALID_OPTION' })))
    rmSync(join(directory, 'notes.txt'))
    await open(directory).ready()
  })
})

describe('the directory', () => {
  it('is open to its user alone, with all that is in it', async () => {
    const directory = newDirectory()
    const store = open(directory)
    await store.kv.set('a', 1)
    expect(openToOthers(directory)).toEqual([])
    expect(statSync(`${directory}.lock`).mode & 0o077).toBe(0)
  })

  it('is closed to others when an earlier version left it open', async () => {
    const directory = freshDirectory()
    for (const name of ['.', ...readdirSync(directory, { recursive: true }).map(String)]) chmodSync(join(directory, name), 0o777)
    await open(directory).ready()
    expect(openToOthers(directory)).toEqual([])
  })

  it.each<[string, (directory: string) => string, RegExp]>([
    ['a file', (directory) => {
      writeFileSync(directory, '')
      return directory
    }, /it is a file/],
    ['below a file', (directory) => {
      writeFileSync(directory, '')
      return join(directory, 'data')
    }, /ENOTDIR|EEXIST/],
    ['a directory with other files', (directory) => {
      mkdirSync(directory)
      writeFileSync(join(directory, 'notes.txt'), '')
      return directory
    }, /no database/],
    ['a name that is too long', directory => join(directory, 'x'.repeat(300)), /ENAMETOOLONG/],
  ])('can\'t be %s, and nothing is tried again', async (_kind, make, message) => {
    await expect(open(make(newDirectory()), { connectTimeout: 600_000 }).ready()).rejects.toMatchObject({
      code: 'INVALID_OPTION', retryable: false, message: expect.stringMatching(message) as string,
    })
  })

  it('of another major version is refused with the way to move it', async () => {
    const directory = freshDirectory()
    writeFileSync(join(directory, 'PG_VERSION'), '15\n')
    await expect(open(directory, { connectTimeout: 600_000 }).ready()).rejects.toMatchObject({
      code: 'DATABASE', details: { found: '15', supported: expect.stringMatching(/^\d+$/) as string }, message: expect.stringMatching(/made by PostgreSQL 15.*dump/) as string,
    })
  })

  it('that is damaged is refused with the reason', async () => {
    const directory = freshDirectory()
    rmSync(join(directory, 'global/pg_control'))
    await expect(open(directory, { connectTimeout: 600_000 }).ready()).rejects.toMatchObject({ code: 'DATABASE', message: expect.stringContaining('pg_control') as string })
  })

  it('that was begun when its process was killed is begun again', async () => {
    const directory = freshDirectory()
    mkdirSync(join(directory, 'nvent_store.begun'))
    rmSync(join(directory, 'global/pg_control'))
    expect(await open(directory).kv.get('a')).toBe(null)
    expect(existsSync(join(directory, 'nvent_store.begun'))).toBe(false)
  })

  it('may hold hidden files, as those that keep it in a repository', async () => {
    const directory = newDirectory()
    mkdirSync(directory)
    writeFileSync(join(directory, '.gitignore'), '*')
    await open(directory).ready()
    expect(readdirSync(directory)).toContain('.gitignore')
  })

  it('may be named with a percent sign', async () => {
    const directory = `${newDirectory()} 100%`
    await open(directory, { connection: `pglite://${directory}` }).kv.set('a', 1)
    expect(existsSync(join(directory, 'PG_VERSION'))).toBe(true)
  })
})

describe('a loop of awaited calls', () => {
  it.each<[string, (store: Store, goOn: () => boolean) => Promise<unknown>]>([
    ['of the store', async (store, goOn) => {
      for (let n = 0; goOn(); n++) await store.kv.set('loop', n)
    }],
    ['that appends', async (store, goOn) => {
      while (goOn()) await store.stream.append('loop', { type: 'looped' })
    }],
    ['in a transaction', (store, goOn) => store.transaction(async (tx) => {
      while (goOn()) await tx.kv.get('loop')
    })],
    ['of transactions', async (store, goOn) => {
      while (goOn()) await store.transaction(tx => tx.kv.get('loop'))
    }],
  ])('lets timers and I/O ahead: %s', async (_, loop) => {
    const store = open(freshDirectory())
    await store.ready()
    const until = performance.now() + 20_000
    let fired = 0
    const timer = setInterval(() => fired++, 10)
    let wasRead = false
    void readFile(import.meta.filename).then(() => (wasRead = true))
    await loop(store, () => (fired < 3 || !wasRead) && performance.now() < until)
    clearInterval(timer)
    expect({ fired: fired >= 3, wasRead }).toEqual({ fired: true, wasRead: true })
  })
})
