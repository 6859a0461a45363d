import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { LOCK_FOLDER, lockDirectory } from '../../src/runtime/core/db/pglite/directoryLock'

// A file system that takes no sockets.
vi.mock('node:net', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:net')>()
  return {
    ...real,
    createServer: () => {
      const server = real.createServer()
      server.listen = () => {
        setImmediate(() => server.emit('error', Object.assign(new Error('listen ENOTSUP'), { code: 'ENOTSUP' })))
        return server
      }
      return server
    },
  }
})

const root = mkdtempSync(join(tmpdir(), 'nvent-store-fallback-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let directories = 0

function newDirectory(): string {
  const directory = join(root, String(directories++))
  mkdirSync(directory)
  return directory
}

/** As a process of another machine, or without sockets, left it when it was cut off. */
function abandonedClaim(directory: string, kind: 'file' | 'sock'): string {
  mkdirSync(join(directory, LOCK_FOLDER))
  const path = join(directory, LOCK_FOLDER, `0${Date.now().toString(36)}abcd-00000000-1-0.${kind}`)
  writeFileSync(path, '')
  return path
}

// Side by side: they wait for signs of life.
describe.concurrent('where there are no sockets', () => {
  it('one of many has the lock at a time', async () => {
    const directory = newDirectory()
    let holding = 0
    let most = 0
    await Promise.all(Array.from({ length: 4 }, async () => {
      const lock = await lockDirectory(directory, { patience: 60_000 })
      lock.check()
      most = Math.max(most, ++holding)
      await sleep(20)
      holding--
      await lock.release()
    }))
    expect(most).toBe(1)
    expect(readdirSync(directory)).toEqual([])
  }, 60_000)

  it('the lock is kept for as long as its owner shows that it lives', async () => {
    const directory = newDirectory()
    const lock = await lockDirectory(directory)
    await expect(lockDirectory(directory, { patience: 6_000 })).rejects.toMatchObject({ code: 'DATABASE_LOCKED', details: { pid: process.pid } })
    lock.check()
    await lock.release()
  }, 60_000)

  it.each(['file', 'sock'] as const)('a lock without a sign of life goes to the next one, and its owner writes no more: .%s', async (kind) => {
    const directory = newDirectory()
    const abandoned = abandonedClaim(directory, kind)
    const lock = await lockDirectory(directory)
    expect(existsSync(abandoned)).toBe(false)
    lock.check()

    rmSync(join(directory, LOCK_FOLDER), { recursive: true })
    const next = await lockDirectory(directory)
    expect(() => lock.check()).toThrow(expect.objectContaining({ code: 'DATABASE_LOCKED' }))
    await lock.release()
    next.check()
    expect(readdirSync(root)).toContain(`${basename(directory)}.lock`)
    await next.release()
    expect(() => lock.check()).toThrow(expect.objectContaining({ code: 'DATABASE_LOCKED' }))
  }, 60_000)
})
