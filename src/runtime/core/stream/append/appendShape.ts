import { valueFields } from '../../tables/eventCodec'
import { columnsOf } from '../../tables/fields'
import type { Route } from '../../tables/route'
import type { StreamSpec } from '../../tables/types'
import { columnNamed } from '../../shared/identifier'
import type { Column, InputColumn } from '../../sql/rows'
import { fieldInput } from '../../sql/rows'
import { claimColumns } from './claims'
import type { HeadMode } from './expectation'
import type { AppendInput } from './input'

/** The shape of an append statement. Shapes with the same key have the same SQL. */
export interface AppendShape {
  key: string
  ids: boolean
  /** The inserted columns. */
  columns: InputColumn<AppendInput>[]
  /** The columns sent as parameters: the inserted ones, and those with which the heads are claimed. */
  sent: Column<AppendInput>[]
}

interface Shapes {
  /** Indexes of the sparse fields in `columns` of an input. */
  sparse: number[]
  shapes: Map<string, AppendShape>
}

const known = new WeakMap<StreamSpec, Shapes>()

/** Returns the cached shape of some inputs: appends are frequent, but have few shapes. */
export function appendShape(spec: StreamSpec, inputs: AppendInput[]): AppendShape {
  const { sparse, shapes } = shapesOf(spec)
  const [{ eventId, rest, expectation: { mode } }] = inputs as [AppendInput]
  // In most batches the rest of all inputs is empty.
  const oneRest = inputs.length > 1 && inputs.every(input => input.rest === rest)
  const present = sparse.filter(at => inputs.some(input => input.columns[at] !== null))
  const key = `${inputs.length > 1} ${mode} ${eventId !== undefined} ${oneRest} ${present.join()}`
  let shape = shapes.get(key)
  if (!shape) {
    const absent = sparse.filter(at => !present.includes(at))
    const ids = eventId !== undefined
    const columns = insertedColumns(spec, absent, ids, oneRest)
    const claim = inputs.length > 1 && !ids ? claimColumns(mode) : inputClaim(mode)
    shape = { key, ids, columns, sent: [...claim, ...columns] }
    shapes.set(key, shape)
  }
  return shape
}

/** The columns with which each input claims the head of its subject. */
function inputClaim(mode: HeadMode): InputColumn<AppendInput>[] {
  return [
    { ...columnNamed('in subject'), cast: 'text', of: input => input.route.subject },
    ...(mode === 'present' ? [{ ...columnNamed('in expected'), cast: 'bigint', of: (input: AppendInput) => input.expectation.version ?? null }] : []),
  ]
}

/** The key columns of a stream. All inputs of a statement have the same partition. */
export function streamKeys<I extends { route: Route<StreamSpec> }>(spec: StreamSpec): InputColumn<I>[] {
  return columnsOf(spec).keys.map((column, at) => ({
    ...column, cast: 'text', of: (input: I) => input.route.keys[at], ...(column.name === spec.partition && { shared: true }),
  }))
}

function insertedColumns(spec: StreamSpec, absent: number[], ids: boolean, oneRest: boolean): InputColumn<AppendInput>[] {
  return [
    ...streamKeys(spec),
    { ...columnNamed('type'), cast: 'text', of: input => input.type },
    ...valueFields(spec)
      .map((field, at) => fieldInput(field, (input: AppendInput) => input.columns[at]))
      .filter((_, at) => !absent.includes(at)),
    { ...columnsOf(spec).rest, cast: 'jsonb', of: input => input.rest, shared: oneRest },
    ...(ids ? [{ ...columnNamed('event_id'), cast: 'text', of: (input: AppendInput) => input.eventId }] : []),
  ]
}

function shapesOf(spec: StreamSpec): Shapes {
  let found = known.get(spec)
  if (!found) {
    const sparse = valueFields(spec).map((field, at) => field.sparse ? at : -1).filter(at => at >= 0)
    known.set(spec, found = { sparse, shapes: new Map() })
  }
  return found
}
