import type { ConsumeOptions, Consumer, ConsumerDefinition, Project, Projection, ProjectionDefinition, RelayDefinition, Store } from '../core'
import { isRelay } from '../core/relay/defineRelay'
import { checkName } from '../core/shared/checks'
import { StoreError, invalidValue, isStoreError, messageOf } from '../core/shared/errors'
import { describe, tagOf } from '../core/shared/given'
import { nearest } from '../core/shared/nearest'

/** A file of `server/consumers` or `server/projections`. */
export interface WorkerFile {
  /** The one it has unless its definition gives another. */
  name: string
  /** Its path, for messages. */
  file: string
  /** Its default export. */
  definition: unknown
}

/** The files of an app, by their folders. */
export interface WorkerFiles {
  consumers: WorkerFile[]
  projections: WorkerFile[]
}

/** What works in the background of an app, by name. Relays of the outbox are among the consumers. */
export interface Workers {
  consumers: ReadonlyMap<string, Consumer>
  projections: ReadonlyMap<string, Projection>
}

const known = new WeakMap<Store, Workers>()

/**
 * The consumers, relays and projections of the files on a store; none of them is started.
 * @throws {WrongFile} for one that can't be right
 */
export function workersOf(store: Store, files: WorkerFiles): Workers {
  const made = known.get(store) ?? {
    consumers: make(files.consumers, 'consumer', each => consumerOf(store, each)),
    projections: make(files.projections, 'projection', each => projectionOf(store, each)),
  }
  known.set(store, made)
  return made
}

/** `kind`: what its folder has, for messages. */
function make<Worker extends { name: string }>(files: WorkerFile[], kind: string, create: (file: WorkerFile) => Worker): Map<string, Worker> {
  const made = new Map<string, Worker>()
  const from = new Map<string, string>()
  for (const each of files) {
    const { file } = each
    const worker = naming(file, () => create(each))
    const { name } = worker
    const other = from.get(name)
    if (other !== undefined) throw new WrongFile(file, `${file} has the name ${JSON.stringify(name)}, and so has ${other}: two ${kind}s of one name would share their events`)
    from.set(name, file)
    made.set(name, worker)
  }
  return made
}

function consumerOf(store: Store, file: WorkerFile): Consumer {
  const options = optionsOf<ConsumerDefinition | RelayDefinition>(file, 'defineConsumer', 'defineRelay')
  return isRelay(options) ? store.outbox.relay(options) : store.consume(options as ConsumeOptions)
}

function projectionOf(store: Store, file: WorkerFile): Projection {
  return store.project(optionsOf<ProjectionDefinition>(file, 'defineProjection') as Parameters<Project>[0])
}

function optionsOf<Definition extends { name?: string }>({ name, file, definition }: WorkerFile, ...makers: string[]): Definition & { name: string } {
  if (definition === undefined) throw new WrongFile(file, `${file} has no default export: it must be ${makers.map(maker => `\`export default ${maker}({ … })\``).join(' or ')}`)
  if (tagOf(definition) !== 'Object') throw new WrongFile(file, `the default export of ${file} must be a plain object, as ${makers.join(' and ')} return${makers.length > 1 ? '' : 's'} it, not ${describe(definition)}`)
  const given = definition as Definition
  return { ...given, name: given.name === undefined ? name : checkName('options.name', given.name) }
}

/** A file of which nothing can be made: no fault of the request that meets it. */
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
    if (cause instanceof WrongFile) throw cause
    throw new WrongFile(file, `${file}: ${messageOf(cause)}`, isStoreError(cause) ? { code: cause.code, details: cause.details, cause } : { cause })
  }
}

/**
 * The one of a name, in one folder.
 * @throws {StoreError} INVALID_VALUE for a name that no file has
 */
export function workerNamed<Worker>(workers: ReadonlyMap<string, Worker>, name: string, folder: keyof Workers): Worker {
  const worker = workers.get(name)
  if (worker) return worker
  const names = [...workers.keys()]
  const meant = typeof name === 'string' ? nearest(name, names) : undefined
  throw invalidValue('name', `${JSON.stringify(name)} is no ${folder.slice(0, -1)} of the folder ${folder}${meant === undefined ? ` (${names.join(', ') || 'there is none'})` : `; did you mean ${JSON.stringify(meant)}?`}`)
}
