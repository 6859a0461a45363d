import type { Session } from '../db/types'
import type { ConsumedEvent, ConsumerContext } from '../consumers/types'
import { StoreError } from '../shared/errors'
import { encodeJson } from '../shared/json'
import type { StatementContext } from '../sql/template'
import { foundBy } from './declaredFields'
import type { ProjectionSettings } from './projectionSettings'
import { claimStates, deleteStates, loadStates, writeStates } from './statesSql'
import type { BuildKey, StateChange, StateRow } from './statesSql'
import type { ProjectedEvent, ProjectionContext } from './types'

/** What a handler has made of the states of some keys: those it has changed, and the id of the last event of each. */
interface Folded {
  states: Map<string, unknown>
  changed: Map<string, string>
}

/** What else a handler is given. */
type Given = Pick<ConsumerContext, 'tx' | 'attempt' | 'signal'>

/** Makes the states of one build of events, in the transaction that the session has open. Returns what writes them. */
export type ProjectEvents = (events: ConsumedEvent[], given: Given, session: Session) => Promise<() => Promise<void>>

/**
 * One statement reads the states of all events, and one writes those that have changed. `isLocked`: others may change the
 * same states at the same time, so they are locked before they are read.
 */
export function createStates(context: StatementContext, settings: ProjectionSettings, build: BuildKey, isLocked: boolean): ProjectEvents {
  async function load(session: Session, keys: string[]): Promise<Map<string, StateRow>> {
    const found = new Map<string, StateRow>()
    // More than once only for keys whose rows others have made in that very moment.
    for (let missing = keys; missing.length > 0; missing = isLocked ? keys.filter(key => !found.has(key)) : []) {
      const { rows } = await session.query<StateRow>((isLocked ? claimStates : loadStates)(context, build, missing))
      for (const row of rows) found.set(row.key, row)
    }
    return found
  }

  async function write(session: Session, rows: Map<string, StateRow>, { states, changed }: Folded): Promise<void> {
    const upserts: StateChange[] = []
    const gone: StateChange[] = []
    for (const [key, position] of changed) {
      const state = states.get(key)
      const revision = rows.get(key)?.revision ?? '0'
      if (state !== undefined && state !== null) upserts.push({
        key, state: encodeJson(state, `the state of ${JSON.stringify(key)}`), position, revision,
        found: settings.declared ? foundBy(settings.declared, build, key, state) : undefined,
      })
      else if (rows.has(key)) gone.push({ key, state: null, position, revision })
    }
    // Rows that were made to be locked, and are not needed.
    if (isLocked) for (const [key, { state, revision }] of rows) if (state === null && revision === '0' && !changed.has(key)) gone.push({ key, state, position: '0', revision })
    if (upserts.length > 0) requireAll(await session.query(writeStates(context, build, upserts)), upserts)
    if (gone.length > 0) requireAll(await session.query(deleteStates(context, build, gone)), gone)
  }

  function requireAll({ count }: { count: number }, changes: StateChange[]): void {
    if (count < changes.length) throw new StoreError('DATABASE', `states of projection ${JSON.stringify(settings.name)} were changed while events were handled; they are handled again`, { retryable: true, details: { projection: settings.name } })
  }

  return async (events, given, session) => {
    const keyed = withKeys(settings, events)
    if (keyed.length === 0) return async () => {}
    const rows = await load(session, [...new Set(keyed.map(({ key }) => key))])
    const states = new Map<string, unknown>()
    for (const { key, state } of rows.values()) if (state !== null) states.set(key, JSON.parse(state))
    const handed: ProjectionContext = {
      tx: given.tx, projection: settings.name, version: settings.version, build: Number(build.build), attempt: given.attempt,
      get signal() {
        return given.signal
      },
    }
    const folded = await (settings.handleBatch ? foldBatch : foldEach)(settings, states, keyed, handed)
    return () => write(session, rows, folded)
  }
}

function withKeys({ keyOf }: ProjectionSettings, events: ConsumedEvent[]): ProjectedEvent[] {
  const keyed: ProjectedEvent[] = []
  for (const event of events) {
    const key = keyOf(event)
    if (key !== undefined) keyed.push({ key, event })
  }
  return keyed
}

async function foldEach({ handle, initial }: ProjectionSettings, states: Map<string, unknown>, events: ProjectedEvent[], context: ProjectionContext): Promise<Folded> {
  const changed = new Map<string, string>()
  for (const { key, event } of events) {
    const result: unknown = await handle!(states.get(key) ?? initial(key), event, context)
    if (result === undefined) continue
    states.set(key, result)
    changed.set(key, event.id)
  }
  return { states, changed }
}

async function foldBatch({ handleBatch, initial }: ProjectionSettings, states: Map<string, unknown>, events: ProjectedEvent[], context: ProjectionContext): Promise<Folded> {
  const changed = new Map(events.map(({ key, event }) => [key, event.id]))
  for (const key of changed.keys()) {
    const first = states.has(key) ? null : initial(key)
    if (first !== null) states.set(key, first)
  }
  await handleBatch!(states, events, context)
  for (const key of states.keys()) {
    if (!changed.has(key)) throw new StoreError('INVALID_VALUE', `handleBatch has set a state of ${JSON.stringify(key)}, which is the key of none of its events`, { details: { key } })
  }
  return { states, changed }
}
