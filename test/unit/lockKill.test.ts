import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { lockDirectory } from '../../src/runtime/core/db/pglite/directoryLock'
import { compiled } from '../setup/compiled'

const root = mkdtempSync(join(tmpdir(), 'nvent-store-kill-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const PROCESSES = 8
const ROUNDS = 6

/** Takes the lock again and again, counts in a file what only one may count at a time, and is killed while it holds it. */
const SCRIPT = `
  const { readFileSync, writeFileSync, existsSync } = require('node:fs')
  const [, lock, directory] = process.argv
  const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))
  import(lock).then(async ({ lockDirectory }) => {
    process.send('ready')
    await new Promise(resolve => process.once('message', resolve))
    for (let round = 1; round <= ${ROUNDS}; round++) {
      const lock = await lockDirectory(directory, { patience: 120_000 })
      lock.check()
      const count = existsSync(directory + '/count') ? Number(readFileSync(directory + '/count', 'utf8')) : 0
      await sleep(Math.random() * 5)
      writeFileSync(directory + '/count', String(count + 1))
      if (round === ${ROUNDS}) process.kill(process.pid, 'SIGKILL')
      await lock.release()
    }
  })
`

describe('the lock of an embedded database', () => {
  it(`goes to one of ${PROCESSES} processes at a time, each of which is killed while it holds it`, async () => {
    const directory = join(root, 'data')
    mkdirSync(directory)
    const children = Array.from({ length: PROCESSES }, () => spawn(process.execPath, ['--eval', SCRIPT, compiled('src/runtime/core/db/pglite/directoryLock.ts'), directory], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
    await Promise.all(children.map(child => once(child, 'message')))
    const ended = Promise.all(children.map(child => once(child, 'exit')))
    for (const child of children) child.send('go')
    expect((await ended).map(([, signal]) => signal as string)).toEqual(children.map(() => 'SIGKILL'))
    await (await lockDirectory(directory)).release()
    expect(Number(readFileSync(join(directory, 'count'), 'utf8'))).toBe(PROCESSES * ROUNDS)
    expect(readdirSync(directory)).toEqual(['count'])
  }, 180_000)
})
