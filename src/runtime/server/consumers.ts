import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsumeOptions, Consumer, ConsumerDefinition, Logger, RelayDefinition, RunOnceResult, Store } from '../core'
import { isRelay } from '../core/relay/defineRelay'
import { checkMilliseconds, checkName, checkOptions } from '../core/shared/checks'
import { StoreError, invalidValue, isStoreError, messageOf } from '../core/shared/errors'
import { describe, tagOf } from '../core/shared/given'
import { nearest } from '../core/shared/nearest'
import type { Members } from '../core/shared/types'
import { endedWithServer } from './shutdown'

const LOOK_AGAIN_MS = 1_000

/** A file of `server/consumers`: a consumer, or a relay of the outbox. */
export interface ConsumerFile {
  /** The one it has unless its definition gives another. */
  name: string
  /** Its path, for messages. */
  file: string
  /** Its default export. */
  definition: unknown
}

type ConsumersByName = ReadonlyMap<string, Consumer>

const known = new WeakMap<Store, ConsumersByName>()

/**
 * The consumers and relays of the files on a store; none of them is started.
 * @throws {WrongFile} for one that can't be right
 */
export function consumersOf(store: Store, files: ConsumerFile[]): ConsumersByName {
  const made = known.get(store) ?? makeConsumers(store, files)
  known.set(store, made)
  return made
}

function makeConsumers(store: Store, files: ConsumerFile[]): ConsumersByName {
  const made = new Map<string, Consumer>()
  const from = new Map<string, string>()
  for (const each of files) {
    const { file } = each
    const options = optionsOf(each)
    const { name } = options
    const other = from.get(name)
    if (other !== undefined) throw new WrongFile(file, `${file} has the name ${JSON.stringify(name)}, and so has ${other}: two consumers of one name would share their events`)
    from.set(name, file)
    made.set(name, naming(file, () => isRelay(options) ? store.outbox.relay(options) : store.consume(options as ConsumeOptions)))
  }
  return made
}

function optionsOf({ name, file, definition }: ConsumerFile): (ConsumerDefinition | RelayDefinition) & { name: string } {
  if (definition === undefined) throw new WrongFile(file, `${file} has no default export: it must be \`export default defineConsumer({ … })\`, or defineRelay`)
  if (tagOf(definition) !== 'Object') throw new WrongFile(file, `the default export of ${file} must be a plain object, as defineConsumer and defineRelay return it, not ${describe(definition)}`)
  const given = definition as ConsumerDefinition | RelayDefinition
  return naming(file, () => ({ ...given, name: given.name === undefined ? name : checkName('options.name', given.name) }))
}

/** A file of which no consumer can be made: no fault of the request that meets it. */
class WrongFile extends StoreError {
  constructor(file: string, message: string, { code = 'INVALID_VALUE', details, cause }: Partial<Pick<StoreError, 'code' | 'details' | 'cause'>> = {}) {
    super(code, message, { cause, details: { ...details, file } })
  }

  override get statusCode(): number {
    return 500
  }
}

/** Puts the name of a file before an error. */
function naming<T>(file: string, work: () => T): T {
  try {
    return work()
  }
  catch (cause) {
    throw new WrongFile(file, `${file}: ${messageOf(cause)}`, isStoreError(cause) ? { code: cause.code, details: cause.details, cause } : { cause })
  }
}

/** @throws {StoreError} INVALID_VALUE for a name that no file has */
export function consumerNamed(consumers: ConsumersByName, name: string): Consumer {
  const consumer = consumers.get(name)
  if (consumer) return consumer
  const names = [...consumers.keys()]
  const meant = typeof name === 'string' ? nearest(name, names) : undefined
  throw invalidValue('name', `${JSON.stringify(name)} is no consumer of the folder consumers${meant === undefined ? ` (${names.join(', ') || 'there is none'})` : `; did you mean ${JSON.stringify(meant)}?`}`)
}

/** Starts consumers, and stops them at the stop signal. A database that is away is waited for. Never rejects. */
export async function startConsumers(consumers: ConsumersByName, logger: Logger): Promise<void> {
  // Servers register their signal handlers after their plugins have run.
  await new Promise<void>(resolve => setImmediate(resolve))
  const { controller: { signal } } = endedWithServer()
  await Promise.all([...consumers.values()].map(consumer => startOne(consumer, signal, logger)))
}

async function startOne(consumer: Consumer, signal: AbortSignal, logger: Logger): Promise<void> {
  for (let failed = false; !signal.aborted; failed = true) {
    try {
      return await consumer.start(signal)
    }
    catch (error) {
      if (signal.aborted || (isStoreError(error) && error.code === 'CLOSED')) return
      const isWrong = isStoreError(error) && error.code.startsWith('INVALID_')
      if (isWrong || !failed) logger.error(`consumer ${consumer.name} does not run: ${messageOf(error)}${isWrong ? '' : '. Retrying in the background'}`)
      if (isWrong) return
    }
    await sleep(LOOK_AGAIN_MS, undefined, { ref: false })
  }
}

/** Waits for the events under way. */
export async function stopConsumers(consumers: ConsumersByName): Promise<void> {
  await Promise.all([...consumers.values()].map(consumer => consumer.stop()))
}

export interface RunConsumersOptions {
  /** Only this one. Default: all. */
  name?: string
  /**
   * After how many milliseconds no further event is begun.
   * @default 10000
   */
  maxMs?: number
}

const RUN_OPTIONS: Members<RunConsumersOptions> = { name: true, maxMs: true }

export type RunConsumersResult = RunOnceResult & { name: string }

/**
 * Runs consumers once, at the same time. One that is at work in this process is only asked how it stands.
 * @throws the first error, once all of them have ended
 */
export async function runConsumers(consumers: ConsumersByName, given: unknown): Promise<RunConsumersResult[]> {
  const { name, maxMs = 10_000 } = checkOptions('payload', given as RunConsumersOptions, RUN_OPTIONS)
  // A payload may come from a query.
  const options = { maxMs: checkMilliseconds('payload.maxMs', typeof maxMs === 'string' ? Number(maxMs) : maxMs) }
  const chosen = name === undefined ? [...consumers.values()] : [consumerNamed(consumers, name)]
  const results = await Promise.allSettled(chosen.map(async (consumer) => {
    const { state, lag } = await consumer.status()
    const isAtWork = state === 'running' || state === 'paused'
    return { name: consumer.name, ...isAtWork ? { handled: 0, caughtUp: lag === 0 } : await consumer.runOnce(options) }
  }))
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason
    return result.value
  })
}
