import { setTimeout as sleep } from 'node:timers/promises'
import { createHeartbeat } from '../consumers/heartbeat'
import type { ConsumerParts } from '../consumers/consumer'
import type { ConsumerSettings } from '../consumers/settings'
import { CAUGHT_UP_OPTIONS, RUN_ONCE_OPTIONS, STOP_OPTIONS } from '../consumers/types'
import type { Consumer } from '../consumers/types'
import type { Use } from '../batch/operation'
import type { GlobalReader } from '../log/reader'
import { checkMilliseconds, checkOptions } from '../shared/checks'
import { StoreError, messageOf } from '../shared/errors'
import { isInlineBuilt } from './builds'
import type { Builds } from './builds'
import { consumerOf } from './buildsSql'
import type { BuildRow } from './buildsSql'
import type { Inline } from './inline'
import type { ProjectionSettings } from './projectionSettings'
import { sideEffectsConsumer } from './sideEffects'
import { createStates } from './states'
import { forgetConsumer, switchInline, whileBuilding } from './switchInline'
import { switchOver } from './switchOver'
import type { Projection, ProjectionStatus } from './types'

// Between two looks at what is to be done for which build.
const LOOK_MS = 500
const WAIT_MS = 20
const CAUGHT_UP_MS = 30_000

export interface ProjectionParts extends ConsumerParts {
  builds: Builds
  inline: Inline
  readerOn(use: Use): GlobalReader
  register(settings: ConsumerSettings): Consumer
  /** Connections that there can be; undefined while there is none yet. */
  connections(): number | undefined
}

/** The projection of one process. It is in `atWork` between its start and its end. */
export function createProjection(parts: ProjectionParts, settings: ProjectionSettings, atWork: Set<Projection>): Projection {
  const { context, use, reader, logger, builds } = parts
  const { name, version } = settings
  const consumers = new Map<string, Consumer>()
  let effects: Consumer | undefined
  let state: ProjectionStatus['state'] = 'idle'
  let ending: AbortController | undefined
  let beat: ReturnType<typeof createHeartbeat> | undefined
  let look: Promise<void> = Promise.resolve()
  // What a build has to reach that is about to serve: how far the log was when that was asked for.
  let mark: bigint | undefined

  /** Those of this version in their order: what is built is done beside what serves. */
  const own = (rows: BuildRow[]) => rows.filter(row => Number(row.version) === version && row.state !== 'removed')
  /** Those whose states a consumer makes. */
  const consumed = (rows: BuildRow[]) => own(rows).filter(row => !isInlineBuilt(row))

  function consumerFor(row: BuildRow): Consumer {
    const build = { name, build: row.build }
    const isLocked = settings.isShared && settings.consumer.order === 'subject'
    const states = createStates(context, settings, build, isLocked)
    const most = Math.max(1, Math.floor((parts.connections() ?? 2) / 2))
    return parts.register({
      ...settings.consumer, name: consumerOf(name, row.build), from: 'start',
      concurrency: row.state === 'building' ? Math.min(settings.buildConcurrency, most) : 1,
      project: settings.mode === 'inline' ? whileBuilding(context, build, states) : states,
    })
  }

  function effectsConsumer(): Consumer | undefined {
    const checked = sideEffectsConsumer(settings)
    return checked && parts.register(checked)
  }

  /** Makes a consumer for each build of this version, and ends those of builds that are gone. */
  async function keepUp(begin: (consumer: Consumer) => Promise<unknown>): Promise<void> {
    const rows = await builds.read(name)
    const wanted = consumed(rows)
    // The projection was removed as a whole.
    if (rows.length === 0) await effects?.stop()
    for (const [build, consumer] of consumers) {
      if (wanted.some(row => row.build === build)) continue
      consumers.delete(build)
      await consumer.stop()
      // It was there again, where it was made while another process has switched.
      if (rows.some(row => row.build === build && isInlineBuilt(row))) await use(session => session.atomic(inside => forgetConsumer(inside, context, consumer.name)))
    }
    for (const row of wanted) {
      if (consumers.has(row.build)) continue
      await builds.prepare(settings, row)
      const consumer = consumerFor(row)
      consumers.set(row.build, consumer)
      await begin(consumer)
    }
    await serveBuilt(wanted)
    await builds.empty(rows, ending?.signal)
  }

  async function serveBuilt(rows: BuildRow[]): Promise<void> {
    const building = rows.filter(row => row.state === 'building')
    if (building.length === 0) return void (mark = undefined)
    // Kept until a build has passed it: a newer one at each look would stay ahead of a build while others append.
    const reached = mark ??= (await reader.mark()).safePosition
    for (const { build, position, parked } of building) {
      if (position === null || BigInt(position) < reached || parked > 0) continue
      mark = undefined
      if (settings.mode === 'inline') {
        if (await switchInline({ ...parts, settings, build })) parts.inline.hook.forget()
      }
      else {
        await use(session => session.atomic(inside => switchOver(inside, { context, name, build, goesOn: (parts.connections() ?? 1) > 1 })))
      }
    }
  }

  /** One look after the other. */
  const lookNow = (begin: (consumer: Consumer) => Promise<unknown> = consumer => consumer.start()): Promise<void> =>
    look = look.catch(() => undefined).then(() => keepUp(begin))

  const isAtWork = () => ending !== undefined

  async function begin(): Promise<void> {
    ending = new AbortController()
    atWork.add(projection)
    try {
      await builds.register(settings)
    }
    catch (failure) {
      ending = undefined
      atWork.delete(projection)
      throw failure
    }
  }

  async function start(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return
    if (!isAtWork()) {
      await begin()
      state = 'running'
      try {
        effects = effectsConsumer()
        await effects?.start()
        await lookNow()
      }
      catch (failure) {
        await stop()
        throw failure
      }
      beat = createHeartbeat(() => lookNow().catch((failure: unknown) => logger.warn(`projection ${name} looks again in ${LOOK_MS} ms: ${messageOf(failure)}`)), LOOK_MS)
      void beat.start()
    }
    signal?.addEventListener('abort', () => void stop(), { once: true, signal: ending!.signal })
  }

  const stop: Projection['stop'] = async (options) => {
    checkMilliseconds('options.drainMs', checkOptions('options', options, STOP_OPTIONS).drainMs ?? 0)
    if (!ending) return
    ending.abort()
    await beat?.stop()
    beat = undefined
    await look.catch(() => undefined)
    await Promise.all([...consumers.values(), effects].map(consumer => consumer?.stop(options)))
    consumers.clear()
    ending = undefined
    atWork.delete(projection)
    state = 'stopped'
  }

  async function runOnce(given: Parameters<Projection['runOnce']>[0]): ReturnType<Projection['runOnce']> {
    const { maxMs, drainMs } = checkOptions('options', given, RUN_ONCE_OPTIONS)
    if (maxMs !== undefined) checkMilliseconds('options.maxMs', maxMs)
    const drain = { ...drainMs !== undefined && { drainMs } }
    const options = { ...maxMs !== undefined && { maxMs }, ...drain }
    if (isAtWork()) throw new StoreError('INVALID_CALL', `projection ${JSON.stringify(name)} is at work in this process already: runOnce() is for processes that do not start() it`, { details: { projection: name } })
    await begin()
    try {
      const total = { handled: 0, caughtUp: true }
      const run = async (consumer: Consumer) => {
        const { handled, caughtUp } = await consumer.runOnce(options)
        total.handled += handled
        total.caughtUp &&= caughtUp
      }
      mark = (await reader.mark()).safePosition
      await lookNow(run)
      // What was built is as far now as the log was then.
      await lookNow(run)
      const effects = effectsConsumer()
      if (effects) total.caughtUp = (await effects.runOnce(options)).caughtUp && total.caughtUp
      return total
    }
    finally {
      await stop(drain)
    }
  }

  const projection: Projection = {
    name,
    version,
    start,
    stop,
    runOnce,
    async whenCaughtUp(options) {
      const { timeout = CAUGHT_UP_MS } = checkOptions('options', options, CAUGHT_UP_OPTIONS)
      const until = performance.now() + checkMilliseconds('options.timeout', timeout)
      const { head } = await reader.mark()
      for (;;) {
        const rows = own(await builds.read(name))
        const isBuilt = !rows.some(row => row.state === 'building')
        if (isBuilt && rows.some(row => isInlineBuilt(row) || (row.position !== null && BigInt(row.position) >= head))) return
        if (performance.now() > until) throw new StoreError('TIMEOUT', `projection ${JSON.stringify(name)} has not caught up with position ${head} within ${timeout} ms`, { details: { projection: name, position: String(head) } })
        if (!isBuilt && beat) await lookNow()
        await sleep(WAIT_MS)
      }
    },
    async status() {
      const statuses = await Promise.all([...consumers.values()].map(consumer => consumer.status()))
      const failed = statuses.find(status => status.state === 'failed')
      const info = await builds.info(name) ?? { name, head: String((await reader.mark()).head), serving: null, building: null, builds: [] }
      return { ...info, version, state: failed ? 'failed' : state, ...failed && { error: failed.error } }
    },
  }
  return projection
}
