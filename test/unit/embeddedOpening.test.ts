import { describe, expect, it } from 'vitest'
import { explainOpening } from '../../src/runtime/core/db/pglite/embeddedDirectory'
import { messageOf } from '../../src/runtime/core/shared/errors'
import { chooseConnection } from '../../src/runtime/server/connection'
import { describe as describeConnection } from '../../src/runtime/server/target'

/** As the file system of PGlite throws: no Error, and a number. */
const thrown = (errno: number) => ({ name: 'ErrnoError', errno })

describe('why an embedded database can\'t be opened', () => {
  it.each([
    [thrown(44), /a file of it is missing \(ENOENT\)\. .*restore it, or remove the directory/],
    [thrown(2), /EACCES.*user of this process/],
    [thrown(63), /EPERM.*user of this process/],
    [thrown(51), /disk is full/],
    [thrown(33), /too many open files/],
    [thrown(69), /EROFS/],
    [thrown(7), /ErrnoError 7.*restore it/],
    [{ ...thrown(44), message: 'FS error' }, /a file of it is missing/],
    [{ message: 'memory access out of bounds' }, /memory access out of bounds.*restore it/],
    [new Error('PGlite failed to initialize properly'), /failed to initialize properly\. It is damaged/],
    [new Error('12:00 FATAL:  required WAL directory "pg_wal" does not exist'), /pg_wal.*It is damaged/],
  ])('%o: the reason and what to do', (error, message) => {
    const explained = explainOpening('/data/app', error)
    expect(explained).toMatchObject({ code: 'DATABASE', message: expect.stringMatching(message) as string, details: { directory: '/data/app' }, cause: error })
    expect(explained.message).not.toContain('[object')
  })
})

describe('what is thrown and is no Error', () => {
  it.each([[thrown(44), 'ErrnoError 44'], [{ errno: 5 }, 'error 5'], [{ message: 'why' }, 'why'], ['text', 'text'], [null, 'null'], [undefined, 'undefined']])('%o has a message', (error, message) => {
    expect(messageOf(error)).toBe(message)
  })
})

describe('a connection URL that can\'t be read', () => {
  it.each([
    ['app:s3cr@localhost/db', /^a URL that has no scheme/], ['mysql://u:s3cr@h/d', /^a URL that has the scheme mysql/], ['postgres://u:s3cr@t@h/d', /^a URL that holds a character/],
  ])('%s is told by what is wrong with it', (url, message) => {
    for (const connection of [url, { connectionString: url }]) {
      expect(describeConnection(connection)).toMatch(message)
      expect(describeConnection(connection)).not.toContain('s3cr')
    }
    const { warnings } = chooseConnection({ env: { DATABASE_URL: 'postgres://h/d', POSTGRES_URL: url } })
    expect(warnings).toEqual([expect.stringMatching(/POSTGRES_URL \(a URL that .*\) differs and is ignored$/)])
  })
})
