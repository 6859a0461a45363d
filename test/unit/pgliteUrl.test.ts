import { chooseConnection } from '../../src/runtime/server/connection'
import { describe, expect, it } from 'vitest'
import { createStore } from '../../src/runtime/core/index'
import { pglitePath, pgliteUrl } from '../../src/runtime/core/db/connection/pgliteUrl'

describe('the URL of an embedded database', () => {
  it.each([
    ['pglite://memory', undefined],
    ['pglite://./memory', './memory'],
    ['pglite:///abs/data', '/abs/data'],
    ['pglite://rel/data', 'rel/data'],
    ['pglite://./rel', './rel'],
    ['pglite://../up', '../up'],
    ['pglite://a%20b', 'a b'],
    ['pglite://%2Ftmp%2Fdata', '/tmp/data'],
    ['pglite://50%25', '50%'],
    ['pglite://100%', '100%'],
    ['pglite://100% sure', '100% sure'],
    ['pglite://%zz/%ff/%c3%a9', '%zz/%ff/é'],
    ['pglite://C#/data', 'C#/data'],
    ['pglite://what%3F', 'what?'],
  ])('%s names %s', (url, path) => {
    expect(pglitePath(url)).toBe(path)
  })

  it.each([
    'pglite://', 'pglite:', 'pglite:memory', 'pglite:/data', 'pglite:data', 'PGLITE://memory', 'pglite://  ', 'pglite://memory/', 'pglite://Memory',
    'pglite://:memory:', 'pglite://data?mode=ro', 'pglite://memory?x', 'pglite://~/data', 'pglite://~', 'pglite://a%00b',
  ])('%s is refused as the store is made, with what to write instead', (connection) => {
    expect(() => createStore({ connection })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', details: { option: 'connection' } }))
    expect(() => createStore({ connection: 'pglite://memory', migrationConnection: connection })).toThrow(/migrationConnection/)
  })

  it.each(['PGLITE://memory', 'Pglite://data', 'PGlite://./my data'])('%s is refused with the scheme to write', (connection) => {
    const meant = connection.replace(/^\w+/, 'pglite')
    expect(() => createStore({ connection })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(new RegExp(`small letters, "${meant}"`)) as string }))
    expect(() => chooseConnection({ env: { DATABASE_URL: connection } })).toThrow(/DATABASE_URL is .*small letters/)
  })

  it.each(['/a/b', '/my app/50%/C#/what?/é', '/%41', 'rel/a b'])('is made of any path: %s', (path) => {
    expect(pglitePath(pgliteUrl(path))).toBe(path)
  })
})
