import { execFile } from 'node:child_process'
import { access, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import type { Database } from '../setup/database'
import { install, pack } from './installed'
import { noDatabase, outside, runNode, startOutput, until } from './support'

// Programs of the project itself, so that nothing is found in the repository by accident.
const nuxt = 'nuxt/bin/nuxt.mjs'
const tsc = 'vue-tsc/bin/vue-tsc.js'
const nitro = 'nitropack/dist/cli/index.mjs'

async function succeeds(program: string, args: string[], cwd: string, env = {}): Promise<void> {
  const { code, logs } = await runNode([join(cwd, 'node_modules', program), ...args], { cwd, env })
  expect(code, logs).toBe(0)
  expect(logs).not.toMatch(/warn.*(?:nvent-store|pglite|\bpg\b)/i)
}

describe('the package, installed', () => {
  let tarball: string
  beforeAll(async () => {
    tarball = await pack()
  })

  describe('in a Nuxt project', () => {
    let project: string
    let atBuild: Database
    beforeAll(async () => {
      project = await install(tarball, 'consumer')
      atBuild = await freshDatabase('pg18')
      await succeeds(nuxt, ['build'], project, { DATABASE_URL: atBuild.url })
    })

    it('was built, with a page rendered, and did not touch the database of the environment', async () => {
      expect(await atBuild.sql('select nspname from pg_namespace where nspname = \'app\'')).toEqual([])
    })

    it('types useStore(), its options and its exports', async () => {
      await succeeds(tsc, ['-b', '--noEmit'], project)
    })

    it('without autoMigrate says how to migrate, and works once that is done', async () => {
      const database = await freshDatabase('pg18')
      const env = { DATABASE_URL: database.url }
      const app = await startOutput(join(project, '.output'), { env })
      const answer = await app.post('/api/count')
      expect(answer).toMatchObject({ code: 'SCHEMA_BEHIND' })
      expect(await database.sql('select nspname from pg_namespace where nspname = \'app\'')).toEqual([])

      const [command] = /npx nvent-store migrate [^`]+/.exec(String(answer.message)) ?? ['']
      expect(command).toBe('npx nvent-store migrate --schema app --prefix shop')
      const first = await shell(command, project, env)
      expect(first).toMatch(/migrated to version \d+: .* \(from DATABASE_URL\), schema app, prefix shop/)
      expect(await shell(command, project, env)).toContain('already at version')
      expect(first).not.toContain(new URL(database.url).password)

      expect(await until(() => app.post('/api/count'), ({ code }) => code !== 'SCHEMA_BEHIND')).toEqual({ count: 1 })
      await until(app.logs, logs => logs.includes('recovered'))
    })

    it('can be required, and its README leads to pages that are there', async () => {
      const installed = join(project, 'node_modules/nvent-store-postgres')
      const { code, logs } = await runNode(['--eval', `
        const { createStore } = require('nvent-store-postgres/core')
        console.log(typeof createStore, typeof require('nvent-store-postgres/migrations').runMigrations)
      `], { cwd: project })
      expect({ code, logs: logs.trim() }).toEqual({ code: 0, logs: 'function function' })
      const links = [...(await readFile(join(installed, 'README.md'), 'utf8')).matchAll(/\]\((docs\/[^)#]+\.md)/g)].map(([, link]) => link!)
      expect(links).not.toEqual([])
      for (const link of links) await expect(access(join(installed, link)), link).resolves.toBeUndefined()
    })

    it.each([
      ['poolsize: 5', 'option nventStorePostgres.poolsize is unknown; did you mean poolSize?'],
      ['poolSize: \'5x\'', 'option poolSize must be an integer'],
    ])('is not even prepared with %s', async (option, hint) => {
      const wrong = await outside('wrong')
      await symlink(join(project, 'node_modules'), join(wrong, 'node_modules'))
      await writeFile(join(wrong, 'package.json'), '{ "type": "module" }')
      await writeFile(join(wrong, 'nuxt.config.ts'), `export default { modules: ['nvent-store-postgres'], telemetry: false, nventStorePostgres: { ${option} } }`)
      const { code, logs } = await runNode([join(project, 'node_modules', nuxt), 'prepare'], { cwd: wrong })
      expect(code, logs).not.toBe(0)
      // Printed to a terminal, names lose their quotes.
      expect(logs.replaceAll('`', '')).toContain(hint)
    })

    it('has a command line that explains itself', async () => {
      const cli = join(project, 'node_modules/nvent-store-postgres/dist/cli.mjs')
      const none = await runNode([cli, 'migrate'], { cwd: project })
      expect(none).toMatchObject({ code: 1, logs: expect.stringContaining('give --url, or set NUXT_NVENT_STORE_POSTGRES_CONNECTION, DATABASE_URL, POSTGRES_URL') as string })
      const wrong = await runNode([cli, 'migrate', '--url', 'postgres://app:s3cret@db.test:port/x'], { cwd: project })
      expect(wrong.code).toBe(1)
      expect(wrong.logs).not.toContain('s3cret')
      expect((await runNode([cli, '--help'], { cwd: project })).logs).toContain('migrate')
      expect((await runNode([cli, 'migrate', '--url', 'pglite://memory'], { cwd: project })).logs).toMatch(/migrated to version \d+: memory \(from --url\)/)
    })
  })

  describe('in a Nuxt project without the embedded database', () => {
    it('is built and works on PostgreSQL, and names the missing package when it is asked for', async () => {
      const project = await install(tarball, 'consumer', { without: ['@electric-sql/pglite'] })
      await succeeds(nuxt, ['build'], project)
      const env = { NUXT_NVENT_STORE_POSTGRES_AUTO_MIGRATE: 'true' }
      const onServer = await startOutput(join(project, '.output'), { env: { ...env, DATABASE_URL: (await freshDatabase('pg18')).url } })
      expect(await onServer.post('/api/count')).toEqual({ count: 1 })

      const embedded = await startOutput(join(project, '.output'), { env: { ...env, DATABASE_URL: 'pglite://memory' } })
      expect(await embedded.post('/api/count')).toMatchObject({
        code: 'MISSING_DRIVER', message: expect.stringContaining('npm install @electric-sql/pglite') as string,
      })
    })
  })

  describe('in a plain Nitro project', () => {
    it('is typed and works', async () => {
      const project = await install(tarball, 'consumer-nitro')
      await succeeds(nitro, ['prepare'], project)
      await succeeds(tsc, ['--noEmit'], project)
      await succeeds(nitro, ['build'], project)
      const app = await startOutput(join(project, '.output'), { env: { DATABASE_URL: 'pglite://memory' } })
      expect(await app.post('/count')).toMatchObject({ count: 1 })
      expect(app.logs()).toContain('prefix shop')
    })
  })
})

/** Runs a command line the way a person would, in a project that has the package. */
async function shell(command: string, cwd: string, env: Record<string, string>): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('sh', ['-c', command], {
    cwd, env: { ...process.env, ...noDatabase, NODE_ENV: undefined, TEST: undefined, CONSOLA_LEVEL: '3', ...env },
  })
  return stdout + stderr
}
