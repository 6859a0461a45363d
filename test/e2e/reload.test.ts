import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { CONNECTIONS, outside, root, startDev, until } from './support'
import type { App } from './support'

const POOL = 2
const TIMEOUT = 10 * 60_000
// Requests that meet a server in the middle of a rebuild fail by themselves, in Nitro: those are no trouble of ours.
const TROUBLE = /unhandledRejection|uncaughtException|not started|is open in process/

/** Answers with the version of its own code, and keeps in the store that it was reached. */
const route = (version: number) => `export default defineEventHandler(async (event) => {
  const { version } = await readBody(event)
  if (version === ${version}) await useStore().index.add('reloads', String(version), -version)
  return { version: ${version}, reached: (await useStore().index.read('reloads')).map(({ id }) => Number(id)) }
})
`

async function project() {
  const directory = await outside('reload')
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  await mkdir(join(directory, 'server/api'), { recursive: true })
  await mkdir(join(directory, 'app'))
  await writeFile(join(directory, 'package.json'), '{ "private": true, "type": "module" }')
  await writeFile(join(directory, 'app/app.vue'), '<template><div /></template>')
  await writeFile(join(directory, 'nuxt.config.ts'), `export default defineNuxtConfig({
    modules: [${JSON.stringify(join(root, 'src/module'))}], devtools: { enabled: false }, compatibilityDate: '2025-07-15', telemetry: false,
  })`)
  const edit = (version: number) => writeFile(join(directory, 'server/api/reach.post.ts'), route(version))
  await edit(0)
  return { directory, edit }
}

interface Reached {
  version?: number
  reached?: number[]
}

/** While the server reloads, answers are pages of the development server, or never come: then it asks again, more patiently. */
function reach(app: App, version: number): Promise<Reached> {
  let patience = 0
  return until<Reached>(
    () => app.post<Reached>('/api/reach', { version }, patience += 500).catch(() => ({})), answer => answer.version === version,
  )
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, at) => at)

// With TEST or CI set, Nitro ends the old worker without its close hook; many of those only cost time.
const kinds: [kind: string, reloads: number, env: Record<string, string | undefined>][] = [
  ['four reloads', 4, { TEST: undefined, CI: undefined }],
  ['reloads that end the old app without a word', 2, { TEST: 'true' }],
]

describe.each(kinds)('%s of the development server', (_, reloads, env) => {
  it('leave no connection behind on PostgreSQL', async () => {
    const { directory, edit } = await project()
    const database = await freshDatabase('pg18')
    const app = await startDev(directory, { ...env, DATABASE_URL: database.url, NUXT_NVENT_STORE_POSTGRES_POOL_SIZE: String(POOL) })
    const open = async () => (await database.sql<{ open: number }>(CONNECTIONS))[0]!.open
    await reach(app, 0)
    for (let version = 1; version <= reloads; version++) {
      await edit(version)
      expect((await reach(app, version)).reached).toEqual(upTo(version))
      // The old app may still be closing when the new one answers: two of them, never three.
      expect(await open()).toBeLessThanOrEqual(2 * POOL)
    }
    expect(await until(open, count => count <= POOL)).toBeGreaterThan(0)
    expect(app.logs()).not.toMatch(TROUBLE)
  }, TIMEOUT)

  it('lose nothing on the embedded database and are never locked out', async () => {
    const { directory, edit } = await project()
    const app = await startDev(directory, env)
    await reach(app, 0)
    for (let version = 1; version <= reloads; version++) {
      await edit(version)
      expect((await reach(app, version)).reached).toEqual(upTo(version))
    }
    expect(app.logs()).toContain(`pglite database ${join(directory, '.data/nvent-store')} from the development default`)
    expect(app.logs()).not.toMatch(TROUBLE)
    await app.stop()

    await edit(reloads + 1)
    expect((await reach(await startDev(directory, env), reloads + 1)).reached).toEqual(upTo(reloads + 1))
  }, TIMEOUT)
})
