import { invalidValue, messageOf } from '../shared/errors'
import type { EventRecord } from '../shared/event'
import { encodeJson, isPlain } from '../shared/json'
import type { Logger } from '../shared/types'
import type { AggregateSettings, SnapshotSettings } from './aggregateSettings'
import type { SnapshotInput } from './snapshotsSql'

/** Where a stream stands, and where its state may be made from. */
export interface Base {
  /** Version of the last event. */
  version: number
  /** Identify the stream, and its events as they were. */
  firstId: string
  edits: string
  isArchived: boolean
  /** Version of the last event in the archive; 0: there is none. */
  moved: number
  snapshot: { version: number, schemaVersion: number, state: string } | undefined
}

export function baseOf(row: Record<string, unknown> | undefined): Base | undefined {
  if (!row) return undefined
  return {
    version: Number(row.version),
    firstId: String(row.first_id),
    edits: String(row.edits),
    isArchived: row.archived as boolean,
    moved: Number(row.moved ?? 0),
    snapshot: row.taken === null ? undefined : { version: Number(row.taken), schemaVersion: Number(row.schema_version), state: row.state as string },
  }
}

/**
 * The base of a stream that has begun with these events; undefined when it is another one by now, or one of its events is
 * hidden. The head of a stream has the newest id of before its first event: that of a later stream is not below these.
 */
export const baseSince = (records: readonly EventRecord[], base: Base | undefined): Base | undefined =>
  base?.edits === '0' && BigInt(base.firstId) < BigInt(records[0]!.id) ? base : undefined

/** A state made of the events up to a version. */
export interface Known {
  version: number
  state: unknown
}

/** The state of a snapshot, upcast where it is an older one; undefined: it can't be used. */
export function snapshotState(snapshot: Base['snapshot'], settings: SnapshotSettings | undefined): Known | undefined {
  if (!settings || !isUsable(snapshot, settings)) return undefined
  const { version, schemaVersion } = snapshot
  const state: unknown = JSON.parse(snapshot.state)
  return { version, state: schemaVersion === settings.schemaVersion ? state : settings.upcast!(state, schemaVersion) }
}

const isUsable = (snapshot: Base['snapshot'], { schemaVersion, upcast }: SnapshotSettings): snapshot is NonNullable<Base['snapshot']> =>
  snapshot !== undefined && (snapshot.schemaVersion === schemaVersion || (snapshot.schemaVersion < schemaVersion && upcast !== undefined))

/** @throws {StoreError} INVALID_VALUE when the state can't be kept as JSON */
export function snapshotInput({ name, snapshot }: AggregateSettings, subject: string, { version, state }: Known, { firstId, edits }: Base): SnapshotInput {
  return { subject, name, version, schemaVersion: snapshot!.schemaVersion, state: encodeState(state), firstId, edits }
}

/** Says when snapshots of one aggregate are due, and that one could not be written. */
export function createSnapshotWriter({ name, snapshot }: AggregateSettings, logger: Logger) {
  let hasWarned = false
  return {
    /** One of a later release of the app stays: it is of use there. */
    isDue(version: number, base: Base | undefined): boolean {
      const last = base?.snapshot
      if (!snapshot || (last && last.schemaVersion > snapshot.schemaVersion)) return false
      return version - (isUsable(last, snapshot) ? last.version : 0) >= snapshot.every
    },

    /** A state without a snapshot is only slower. Reported once: it is the same for all aggregates of a kind. */
    warn(error: unknown) {
      if (hasWarned) return
      hasWarned = true
      logger.warn(`aggregate ${name} could not write a snapshot, its states are made of more events: ${messageOf(error)}`)
    },
  }
}

/**
 * JSON of a state, which has to be the same when it is read again: a Date, for one, would come back as a string.
 * @throws {StoreError} INVALID_VALUE
 */
function encodeState(state: unknown): string {
  if (!isPlain(state)) {
    throw invalidValue('the state', 'holds what would be something else when it is read from JSON (a Date, an instance of a class, undefined in an array): keep numbers, strings, plain objects and arrays in it')
  }
  return encodeJson(state, 'the state')
}
