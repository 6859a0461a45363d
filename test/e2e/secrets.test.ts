import { setup, useTestContext } from '@nuxt/test-utils/e2e'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { filesWith, fixture, root, runNode, startOutput, SETUP_LIMIT } from './support'

// Made here, so that no file of the repository holds it.
const secret = ['k33p', 'me', 'out'].join('-')
const atBuild = {
  FIXTURE_DATABASE_URL: `postgres://app:${secret}@build.invalid/app`,
  FIXTURE_PASSWORD: `${secret}-2`,
  DATABASE_URL: `postgres://app:${secret}-3@build.invalid/app`,
}
Object.assign(process.env, atBuild)
afterAll(() => {
  for (const name of Object.keys(atBuild)) Reflect.deleteProperty(process.env, name)
})

describe('a connection that nuxt.config takes from the environment', async () => {
  await setup({
    rootDir: fixture('basic'),
    server: false, setupTimeout: SETUP_LIMIT,
    build: true,
    nuxtConfig: {
      // The examples of the documentation: a URL, and a configuration with a password.
      nventStorePostgres: { connection: process.env.FIXTURE_DATABASE_URL },
      // @ts-expect-error nvent's own option, whose types are not here
      nvent: { connections: { postgres: { host: 'shared.invalid', port: 5433, user: 'app', password: process.env.FIXTURE_PASSWORD } } },
    },
  })

  const output = () => useTestContext().nuxt!.options.nitro.output!.dir!

  it('is in no file of the build', async () => {
    const { buildDir } = useTestContext().nuxt!.options
    // Proof that the search finds what is there.
    expect(await filesWith(output(), 'shared.invalid')).not.toEqual([])
    expect(await filesWith(output(), secret)).toEqual([])
    expect(await filesWith(buildDir, secret)).toEqual([])
  })

  it('is read at run time, and asked for by name when it is missing', async () => {
    const app = await startOutput(output(), { env: { FIXTURE_PASSWORD: undefined } })
    expect(await app.post('/api/count')).toMatchObject({
      code: 'INVALID_OPTION', message: expect.stringMatching(/nvent\.connections\.postgres\.password.*FIXTURE_PASSWORD/) as string,
    })
    expect(app.logs()).toContain('FIXTURE_PASSWORD')
    await app.stop()
  })

  it('gives way to the override, whole', async () => {
    const { url, name } = await freshDatabase('pg18')
    const app = await startOutput(output(), { env: { NUXT_NVENT_STORE_POSTGRES_CONNECTION: url, FIXTURE_PASSWORD: 'x' } })
    expect(await app.post('/api/count')).toMatchObject({ count: 1 })
    expect(app.logs()).toContain(`/${name} from NUXT_NVENT_STORE_POSTGRES_CONNECTION`)
    expect(app.logs()).toContain('nvent.connections.postgres (shared.invalid:5433) differs and is ignored')
  })
})

describe('a build that would hold a value of the environment', () => {
  const directory = fixture('secrets')
  const other = ['not', 'f0r', 'you'].join('-')
  const environment = { DB_PASS: `${other}-4`, PRIMARY: `postgres://app:${other}-5@db.invalid/app` }
  const CASES = [['parameter', 'DB_PASS'], ['encoded', 'DB_PASS'], ['derived', 'PRIMARY'], ['computed', 'not written in the config file']] as const
  afterAll(() => Promise.all(['.nuxt', '.output', '.nitro'].map(name => rm(join(directory, name), { recursive: true, force: true }))))

  const run = (program: string, command: string, given: string) =>
    runNode([join(root, 'node_modules', program), command], { cwd: directory, env: { ...environment, FIXTURE_CASE: given } })

  it.each(CASES)('of Nuxt is refused: %s', async (given, reason) => {
    const { code, logs } = await run('nuxt/bin/nuxt.mjs', 'build', given)
    expect(code, logs).not.toBe(0)
    expect(logs).toMatch(new RegExp(`nventStorePostgres\\.connection.* .*${reason}`))
    expect(logs).toContain('NUXT_NVENT_STORE_POSTGRES_CONNECTION')
    expect(logs).not.toContain(other)
    for (const form of [other, Buffer.from(environment.DB_PASS).toString('base64')]) expect(await filesWith(directory, form)).toEqual([])
  })

  it.each([CASES[2], CASES[3]])('of Nitro is refused: %s', async (given, reason) => {
    const { code, logs } = await run('nitropack/dist/cli/index.mjs', 'build', given)
    expect(code, logs).not.toBe(0)
    expect(logs).toMatch(new RegExp(`nventStorePostgres\\.connection.* .*${reason}`))
    expect(logs).not.toContain(other)
    expect(await filesWith(directory, other)).toEqual([])
  })

  it('of types alone is not: nothing of it stays', async () => {
    const { code, logs } = await run('nuxt/bin/nuxt.mjs', 'prepare', 'parameter')
    expect(code, logs).toBe(0)
    expect(await filesWith(directory, other)).toEqual([])
  })
})
