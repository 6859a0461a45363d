import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { announce } from '../../src/runtime/server/announce'
import { StoreError } from '../../src/runtime/core/shared/errors'
import type { Store } from '../../src/runtime/core/types'
import type { StoreInfo } from '../../src/runtime/core/schema/types'
import { pgliteUrl } from '../../src/runtime/core/db/connection/pgliteUrl'
import { currentHandle, takeOver } from '../../src/runtime/server/handle'
import type { Handle } from '../../src/runtime/server/handle'
import { startProcess } from './peers'

const info: StoreInfo = {
  driver: 'postgres', database: 'db.test:5432/app', schema: 'public', prefix: 'nvent', schemaVersion: 3, applied: 2, serverVersion: '18.0',
}
const down = new StoreError('CONNECTION', 'the database can\'t be reached: refused', { cause: new Error('postgres://app:s3cret@db.test') })

/** What is logged while the store gives one answer after another. */
async function logged(answers: (StoreInfo | Error)[], handle: Partial<Handle> = {}): Promise<string[]> {
  const lines: string[] = []
  const log = (level: string) => (...args: unknown[]) => void lines.push(`${level}: ${args.map(String).join(' ')}`)
  const ready = async () => {
    const answer = answers.shift()!
    if (answer instanceof Error) throw answer
    return answer
  }
  await announce(
    { store: { ready } as Store, source: 'DATABASE_URL', warnings: [], ...handle },
    { info: log('info'), warn: log('warn'), error: log('error') },
  )
  return lines
}

describe('what a start says', () => {
  it('is one line: database, source, schema, prefix, version', async () => {
    expect(await logged([info])).toEqual(['info: postgres database db.test:5432/app from DATABASE_URL, schema public, prefix nvent, migrated to version 3'])
    expect(await logged([{ ...info, applied: 0 }])).toEqual([expect.stringContaining('prefix nvent, at version 3')])
  })

  it('names the schema whose tables were adopted', async () => {
    expect(await logged([{ ...info, adoptedFrom: 'nvent_store' }])).toEqual([
      expect.stringMatching(/schema public, .*adopted the tables of @nvent-addon\/adapter-store-postgres in schema nvent_store$/),
    ])
  })

  it('begins with the warnings', async () => {
    expect(await logged([info], { warnings: ['DATABASE_URL differs'] })).toEqual(['warn: DATABASE_URL differs', expect.stringContaining('info:')])
  })

  it('names a failure once, without its cause, and the recovery', async () => {
    const lines = await logged([down, down, info])
    expect(lines).toEqual([
      expect.stringMatching(/^error: not started \(connection from DATABASE_URL\): the database can't be reached/),
      expect.stringMatching(/^info: recovered: postgres database/),
    ])
    expect(lines.join()).not.toContain('s3cret')
  })

  describe('while it waits', () => {
    const handles: Handle[] = []
    const directories: string[] = []
    afterEach(async () => {
      vi.useRealTimers()
      for (const { store } of handles.splice(0)) await store.close()
      for (const directory of directories.splice(0)) await rm(directory, { recursive: true })
    })

    /** What an app is told that starts with this connection. */
    function start(connection: string): string[] {
      const lines: string[] = []
      const logger = { info: (line: string) => void lines.push(line), warn: (line: string) => void lines.push(line), error: (line: string) => void lines.push(line) }
      const app = {}
      takeOver(app, connection, logger)
      const handle = currentHandle(() => ({ options: { connection, connectTimeout: 3_600_000 }, source: 'DATABASE_URL', warnings: [] }), logger)
      handles.push(handle)
      void announce(handle, logger)
      return lines
    }

    it('is why in the first line, when a server refuses', async () => {
      const lines = start('postgres://app:s3cret@127.0.0.1:1/app')
      await expect.poll(() => lines, { timeout: 30_000 }).not.toEqual([])
      expect(lines[0]).toMatch(/^not ready yet: the database can't be reached: connect ECONNREFUSED 127\.0\.0\.1:1; still connecting to 127\.0\.0\.1:1\/app \(connection from DATABASE_URL\)/)
      expect(lines.join()).not.toContain('s3cret')
    })

    it('is the process that has the directory open', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'nvent-'))
      directories.push(directory)
      const owner = await startProcess()
      await owner.ask('open', { connection: pgliteUrl(directory) })
      const lines = start(pgliteUrl(directory))
      await expect.poll(() => lines.join(), { timeout: 30_000 }).toMatch(new RegExp(`not ready yet: .*${directory} is open in process ${owner.pid}\\b.*stop that process`))
      await owner.ask('close')
      await expect.poll(() => lines.at(-1), { timeout: 30_000 }).toContain('pglite database')
      await owner.kill()
    })

    it('is the reason as soon as it is known, once, and nothing after the start', async () => {
      vi.useFakeTimers()
      let resolve: (value: StoreInfo) => void
      const promise = new Promise<StoreInfo>((set) => {
        resolve = set
      })
      const handle: Handle = { store: { ready: () => promise } as Store, source: 'DATABASE_URL', warnings: [] }
      const lines: string[] = []
      const announced = announce(handle, { info: line => void lines.push(line), warn: line => void lines.push(line), error: () => {} })
      await vi.advanceTimersByTimeAsync(10_000)
      expect(lines).toEqual([expect.stringMatching(/^not ready yet: still connecting to the database .*or bringing its schema/)])
      handle.waitsFor = down
      await vi.advanceTimersByTimeAsync(10_000)
      expect(lines.slice(1)).toEqual([expect.stringMatching(/^not ready yet: the database can't be reached: refused; still/)])
      resolve!(info)
      await announced
      await vi.advanceTimersByTimeAsync(10_000)
      expect(lines.slice(2)).toEqual([expect.stringMatching(/^postgres database/)])
    })
  })

  it('is nothing more once the store is closed', async () => {
    expect(await logged([new StoreError('CLOSED', 'closed')])).toEqual([])
  })

  it('is the reason when no store could be made', async () => {
    expect(await logged([], { error: new StoreError('INVALID_OPTION', 'no database is configured') })).toEqual(['error: no database is configured'])
  })
})
