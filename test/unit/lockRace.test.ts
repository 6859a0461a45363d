import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { lockDirectory } from '../../src/runtime/core/db/pglite/directoryLock'

// A file system that takes a different time for every call: whoever comes second may be first.
vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<Record<string, unknown>>()
  const slow = (call: unknown) => typeof call !== 'function'
    ? call
    : async (...args: unknown[]) => {
      await sleep(Math.random() * 8)
      return (call as (...args: unknown[]) => unknown)(...args)
    }
  return Object.fromEntries(Object.entries(real).map(([name, call]) => [name, slow(call)]))
})

const root = mkdtempSync(join(tmpdir(), 'nvent-store-race-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** How many of `takers` ever held the lock of a directory at the same time. */
async function mostAtOnce(directory: string, takers: number): Promise<number> {
  mkdirSync(directory)
  let holding = 0
  let most = 0
  await Promise.all(Array.from({ length: takers }, async () => {
    const lock = await lockDirectory(directory, { patience: 60_000 })
    most = Math.max(most, ++holding)
    await sleep(20)
    holding--
    await lock.release()
  }))
  return most
}

describe('the lock of an embedded database', () => {
  it('goes to one of many who find it free', async () => {
    const rounds = Array.from({ length: 40 }, (_, round) => mostAtOnce(join(root, `free-${round}`), 4))
    expect(Math.max(...await Promise.all(rounds))).toBe(1)
  })

  it('goes to one of many who find it left by a dead process', async () => {
    const { pid } = spawnSync(process.execPath, ['--version'])
    const rounds = Array.from({ length: 40 }, (_, round) => {
      const directory = join(root, `stale-${round}`)
      writeFileSync(`${directory}.lock`, JSON.stringify({ pid, threadId: 0, host: hostname() }))
      return mostAtOnce(directory, 4)
    })
    expect(Math.max(...await Promise.all(rounds))).toBe(1)
  })
})
