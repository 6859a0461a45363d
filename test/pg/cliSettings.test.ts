import { describe, expect, it } from 'vitest'
import { emptyDirectory, runCli } from '../setup/commandLine'
import type { CliOptions } from '../setup/commandLine'

const databaseOf = (name: string) => `postgres://app:s3cr3t@127.0.0.1:1/${name}`

/** What the command says it works on; the database itself is not there. */
async function chosen(options: CliOptions, ...args: string[]) {
  const { stdout, stderr } = await runCli(['status', ...args], options)
  expect(stdout + stderr).not.toContain('s3cr3t')
  const [, database, source, schema, prefix] = /(\S+) \(from ([^)]+)\), schema (.+), prefix (.+)/.exec(stderr) ?? []
  return { database, source, schema, prefix, stderr }
}

describe('the command line finds its database', () => {
  const nuxtConfig = (more = '') => emptyDirectory({
    'nuxt.config.ts': `export default defineNuxtConfig({
      modules: [['nvent-store-postgres', { schema: 'inline' }]],
      nventStorePostgres: { prefix: 'shop', connection: ${JSON.stringify(databaseOf('config'))} },
      ${more}
    })`,
  })

  it('in a flag before all else', async () => {
    const env = { DATABASE_URL: databaseOf('env'), NUXT_NVENT_STORE_POSTGRES_CONNECTION: databaseOf('override'), NUXT_NVENT_STORE_POSTGRES_SCHEMA: 'env' }
    expect(await chosen({ cwd: await nuxtConfig(), env }, '--url', databaseOf('flag'), '--schema', 'flag', '--prefix', 'flag'))
      .toMatchObject({ database: '127.0.0.1:1/flag', source: '--url', schema: 'flag', prefix: 'flag' })
  })

  it('in the override variable, then in nuxt.config, then in DATABASE_URL: as the app does', async () => {
    const cwd = await nuxtConfig()
    const env = { DATABASE_URL: databaseOf('env'), NUXT_NVENT_STORE_POSTGRES_CONNECTION: databaseOf('override'), NUXT_NVENT_STORE_POSTGRES_PREFIX: 'env' }
    expect(await chosen({ cwd, env })).toMatchObject({ database: '127.0.0.1:1/override', source: 'NUXT_NVENT_STORE_POSTGRES_CONNECTION', schema: 'inline', prefix: 'env' })
    const config = await chosen({ cwd, env: { DATABASE_URL: databaseOf('env') } })
    expect(config).toMatchObject({ database: '127.0.0.1:1/config', source: 'nventStorePostgres.connection', schema: 'inline', prefix: 'shop' })
    expect(config.stderr).toContain('DATABASE_URL (127.0.0.1:1/env) differs and is ignored')
    expect(await chosen({ cwd, env: { DATABASE_URL: databaseOf('env') } }, '--no-config'))
      .toMatchObject({ database: '127.0.0.1:1/env', source: 'DATABASE_URL', schema: 'public', prefix: 'nvent' })
  })

  it('in the environment alone where an app was built, without its sources', async () => {
    expect(await chosen({ env: { POSTGRES_URL: databaseOf('env'), NITRO_NVENT_STORE_POSTGRES_SCHEMA: 'app' } }))
      .toMatchObject({ database: '127.0.0.1:1/env', source: 'POSTGRES_URL', schema: 'app', prefix: 'nvent' })
  })

  it('in a plain Nitro project, whose secret stands in .env', async () => {
    const cwd = await emptyDirectory({
      'nitro.config.mjs': `export default defineNitroConfig({ nventStorePostgres: { prefix: 'nitro', connection: process.env.MY_DATABASE } })`,
      '.env': `MY_DATABASE=${databaseOf('dotenv')}\n`,
    })
    expect(await chosen({ cwd })).toMatchObject({ database: '127.0.0.1:1/dotenv', source: 'nventStorePostgres.connection', prefix: 'nitro' })
  })

  it('by nvent\'s options, unless they speak of another store', async () => {
    const withNvent = (adapter: string) => nuxtConfig(`nvent: { store: { adapter: '${adapter}', prefix: 'nq', connection: ${JSON.stringify(databaseOf('nvent'))} } }`)
    expect(await chosen({ cwd: await withNvent('postgres') })).toMatchObject({ database: '127.0.0.1:1/nvent', source: 'nvent.store.connection', prefix: 'shop' })
    expect(await chosen({ cwd: await withNvent('redis') })).toMatchObject({ database: '127.0.0.1:1/config' })
  })

  it('without a config that can\'t be read, and says so', async () => {
    const cwd = await emptyDirectory({ 'nuxt.config.ts': 'import \'not-installed\'\nexport default {}' })
    const found = await chosen({ cwd, env: { DATABASE_URL: databaseOf('env') } })
    expect(found).toMatchObject({ source: 'DATABASE_URL' })
    expect(found.stderr).toContain('nuxt.config.ts could not be read, so only flags and environment variables are used')
  })

  it('or says where it looked', async () => {
    expect(await runCli(['status'])).toMatchObject({ code: 1, stderr: expect.stringContaining('give --url, or set NUXT_NVENT_STORE_POSTGRES_CONNECTION, DATABASE_URL, POSTGRES_URL') as string })
    expect(await runCli(['status', '--url', 'pglite://memory', '--prefix', 'x'.repeat(40)])).toMatchObject({ code: 1, stderr: expect.stringContaining('is 40 bytes long') as string })
  })

  it('or says what is wrong with the URL, and shows no part of it', async () => {
    const { code, stderr } = await runCli(['status', '--url', 'mysql://app:s3cr@db.test/app'])
    expect(code).toBe(1)
    expect(stderr).toContain('--url has the scheme mysql://')
    expect(stderr).not.toMatch(/5432\/?[ (]|unreadable|s3cr/)
  })
})
