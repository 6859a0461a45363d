import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freshDatabase } from '../setup/database'
import { CONNECTIONS, outside, root, startDev, until } from './support'
import type { App } from './support'

const POOL = 2
// The consumers of an app listen on a connection of its own.
const MOST = POOL + 1
const TIMEOUT = 10 * 60_000
// Requests that meet a server in the middle of a rebuild fail by themselves, in Nitro: those are no trouble of ours.
const TROUBLE = /unhandledRejection|uncaughtException|not started|is open in process/

/** Answers with the version of its own code, and keeps in the store that it was reached. Each request appends events, unless it only looks. */
const route = (version: number) => `export default defineEventHandler(async (event) => {
  const { version, looks } = await readBody(event)
  const { index, kv, stream, transaction } = useStore()
  if (version === ${version}) await index.add('reloads', String(version), -version)
  // All or none: a worker may be ended in the middle.
  if (!looks) await transaction(async (tx) => {
    await tx.stream.appendMany('calls', [1, 2, 3].map(data => ({ type: 'called', data })))
    for (let n = 0; n < 3; n++) await tx.outbox.enqueue(n, { topics: ['calls'], key: String(n) })
  })
  const calls = await stream.read('calls', { limit: 100000 })
  // One that is being published is written, and not counted yet.
  const published = (await index.read('published', { limit: 100000 })).map(({ metadata }) => metadata).filter(({ times }) => times > 0)
  const handled = (await index.read('handled', { limit: 100000 })).map(({ metadata }) => metadata)
  return {
    version: ${version}, reached: (await index.read('reloads')).map(({ id }) => Number(id)), calls: calls.length,
    handled: handled.length, versions: handled.map(({ by }) => by), times: handled.map(({ times }) => times), late: await kv.get('late'),
    published: published.map(({ by }) => by), publishedTimes: published.map(({ times }) => times),
  }
})
`

/** Counts the events, and says which version of it has handled each. A worker that is ended without a word keeps its lease. */
const consumer = (version: number) => `export default defineConsumer({
  subjects: ['calls'],
  leaseMs: 1000,
  handler: async (event, { tx }) => {
    if (!await tx.index.get('handled', event.id)) await tx.index.add('handled', event.id, event.ts, { by: ${version}, times: 0 })
    await tx.index.increment('handled', event.id, 'times')
  },
})
`

/** Says which version of it has published each message. */
const relay = (version: number) => `export default defineRelay({
  leaseMs: 10000,
  async publish(message) {
    const { index } = useStore()
    if (!await index.get('published', message.id)) await index.add('published', message.id, message.ts, { by: ${version}, times: 0 })
    await index.increment('published', message.id, 'times')
  },
})
`

/** Files that can't be right, and what is said of them. */
const WRONG = 'export default defineConsumer({ handel: () => undefined })'

const LATE = 'export default defineConsumer({ handler: (_, { tx }) => tx.kv.set(\'late\', true) })'

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
  const edit = async (version: number) => {
    await writeFile(join(directory, 'server/api/reach.post.ts'), route(version))
    await writeFile(join(directory, 'server/consumers/calls.ts'), consumer(version))
    await writeFile(join(directory, 'server/consumers/hooks.ts'), relay(version))
  }
  const addWrong = () => writeFile(join(directory, 'server/consumers/mail.ts'), WRONG)
  const removeWrong = () => rm(join(directory, 'server/consumers/mail.ts'))
  const addConsumer = () => writeFile(join(directory, 'server/consumers/late.ts'), LATE)
  await mkdir(join(directory, 'server/consumers'))
  await edit(0)
  return { directory, edit, addConsumer, addWrong, removeWrong }
}

interface Reached {
  version?: number
  reached?: number[]
  calls?: number
  handled?: number
  /** Of the consumer that has handled an event. */
  versions?: number[]
  /** How often each was handled. */
  times?: number[]
  late?: boolean
  /** Of the relay that has published a message. */
  published?: number[]
  publishedTimes?: number[]
  /** In place of an answer. */
  statusCode?: number
  message?: string
}

/** While the server reloads, answers are pages of the development server, or never come: then it asks again, more patiently. */
function reach(app: App, version: number, isRight = (answer: Reached) => answer.version === version, looks = false): Promise<Reached> {
  let patience = 0
  return until<Reached>(() => app.post<Reached>('/api/reach', { version, looks }, patience += 500).catch(() => {
    if (app.hasEnded()) throw new Error(`the app has ended:\n${app.logs()}`)
    return {}
  }), isRight)
}

const upTo = (last: number) => Array.from({ length: last + 1 }, (_, at) => at)

// With TEST or CI set, Nitro ends the old worker without its close hook; many of those only cost time.
const kinds: [kind: string, reloads: number, env: Record<string, string | undefined>][] = [
  ['four reloads', 4, { TEST: undefined, CI: undefined }],
  ['reloads that end the old app without a word', 2, { TEST: 'true' }],
]

/** Goes on until the newest versions of consumer and relay are at work, and have handled what the others left. */
async function handlesEachOnce(app: App, version: number, isEnded: boolean): Promise<void> {
  await reach(app, version, ({ versions, published }) => versions?.includes(version) === true && published!.includes(version))
  const answer = await reach(app, version, ({ handled, calls, published }) => calls !== undefined && handled === calls && published?.length === calls, true)
  expect(new Set(answer.times)).toEqual(new Set([1]))
  // What a worker has published that was ended without a word may come again.
  if (!isEnded) expect(new Set(answer.publishedTimes)).toEqual(new Set([1]))
}

/**
 * Node ends the process with "FATAL ERROR: v8::ToLocalChecked" when a worker is terminated while it parses a request, as
 * Nitro does there to the old worker: no fault of the app, so it is tried again.
 */
const ending = (env: { TEST?: string | undefined }) => ({ timeout: TIMEOUT, retry: env.TEST === undefined ? 0 : 3 })

describe.each(kinds)('%s of the development server', (_, reloads, env) => {
  it('leave no connection behind on PostgreSQL', ending(env), async () => {
    const { directory, edit, addConsumer } = await project()
    const database = await freshDatabase('pg18')
    const app = await startDev(directory, { ...env, DATABASE_URL: database.url, NUXT_NVENT_STORE_POSTGRES_POOL_SIZE: String(POOL) })
    const open = async () => (await database.sql<{ open: number }>(CONNECTIONS))[0]!.open
    await reach(app, 0)
    for (let version = 1; version <= reloads; version++) {
      await edit(version)
      expect((await reach(app, version)).reached).toEqual(upTo(version))
      // The old app may still be closing when the new one answers: two of them, never three.
      expect(await open()).toBeLessThanOrEqual(2 * MOST)
    }
    await handlesEachOnce(app, reloads, env.TEST !== undefined)
    // A file that is added is found without another edit.
    await addConsumer()
    await reach(app, reloads, ({ late }) => late === true)
    // None for a moment, when one app has ended and the next one is not connected yet.
    expect(await until(open, count => count > 0 && count <= MOST)).toBeGreaterThan(0)
    expect(app.logs()).not.toMatch(TROUBLE)
  })

  it('lose nothing on the embedded database and are never locked out', ending(env), async () => {
    const { directory, edit } = await project()
    const app = await startDev(directory, env)
    await reach(app, 0)
    for (let version = 1; version <= reloads; version++) {
      await edit(version)
      expect((await reach(app, version)).reached).toEqual(upTo(version))
    }
    await handlesEachOnce(app, reloads, env.TEST !== undefined)
    expect(app.logs()).toContain(`pglite database ${join(directory, '.data/nvent-store')} from the development default`)
    expect(app.logs()).not.toMatch(TROUBLE)
    await app.stop()

    await edit(reloads + 1)
    expect((await reach(await startDev(directory, env), reloads + 1)).reached).toEqual(upTo(reloads + 1))
  })
})

it('a file that can not be right is named: in the log, and by the answer, which is no fault of the request', async () => {
  const { directory, addWrong, removeWrong } = await project()
  const app = await startDev(directory, { TEST: undefined, CI: undefined })
  await reach(app, 0)
  await addWrong()
  const reason = 'server/consumers/mail.ts: options.handel is not known: did you mean handler?'
  await reach(app, 0, ({ message, statusCode }) => message === reason && statusCode === 500)
  expect(app.logs()).toContain(reason)
  await removeWrong()
  await reach(app, 0)
}, TIMEOUT)
