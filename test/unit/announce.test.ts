import { describe, expect, it } from 'vitest'
import { announce } from '../../src/runtime/announce'
import { StoreError } from '../../src/runtime/core/errors'
import type { Store, StoreInfo } from '../../src/runtime/core/types/index'
import type { Handle } from '../../src/runtime/handle'

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

  it('is nothing more once the store is closed', async () => {
    expect(await logged([new StoreError('CLOSED', 'closed')])).toEqual([])
  })

  it('is the reason when no store could be made', async () => {
    expect(await logged([], { error: new StoreError('INVALID_OPTION', 'no database is configured') })).toEqual(['error: no database is configured'])
  })
})
