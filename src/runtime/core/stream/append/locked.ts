import type { AppendManyOptions } from './types'
import type { EventRecord } from '../../shared/event'
import { queryFenced } from './fence'
import { forgetHeads, lockHeads, readHead } from './head'
import { ANY, meets, versionConflict } from './expectation'
import type { Expectation } from './expectation'
import { partitionOf } from './input'
import type { AppendInput } from './input'
import type { Appending } from './appendRows'
import { appendRows, archivedError, isComplete, knownRecords } from './appendRows'

/** Maximum number of events in one statement. */
export const MAX_STEP = 5_000

/** The events to append to one subject. */
export interface SubjectAppend {
  subject: string
  expectation: Expectation
  inputs: AppendInput[]
}

/**
 * Appends inputs of one subject.
 * @throws {StoreError} VERSION_CONFLICT, ARCHIVED
 */
export async function appendToSubject(on: Appending, inputs: AppendInput[]): Promise<EventRecord[]> {
  const [{ route: { subject }, expectation }] = inputs as [AppendInput]
  const records = await appendRows(on, inputs)
  if (isComplete(records)) return records
  const { rows: [head] } = await on.session.query(readHead(on.context, subject))
  const actual = head === undefined ? 0 : Number(head.version)
  if (!meets(expectation, actual)) throw versionConflict(subject, expectation, actual)
  // The stream has changed in the meantime and now meets the expectation: the append is repeated with its head locked.
  const [appended] = await on.session.atomic(session => appendLocked({ ...on, session }, [{ subject, expectation, inputs }]))
  if (!on.session.inTransaction) await on.tables.afterTransaction()
  return appended!
}

/**
 * Appends to several subjects, or more events than one statement takes, inside a transaction: locks the heads in order of
 * subject, checks the expectations, finds the ids that exist already, and appends the other events.
 * @throws {StoreError} VERSION_CONFLICT, ARCHIVED; nothing of this call is kept, and the transaction can continue
 */
export async function appendLocked(
  on: Appending, entries: SubjectAppend[], onProgress?: AppendManyOptions['onProgress'],
): Promise<EventRecord[][]> {
  const { context, session, fence } = on
  const subjects = entries.map(({ subject }) => subject)
  const { rows } = await queryFenced(session, lockHeads(context, subjects, fence))
  const heads = new Map(rows.map(row => [row.subject, { version: Number(row.version), archived: row.archived }]))
  const known = await recordsOfKnown(on, entries.flatMap(({ inputs }) => inputs))
  const isNew = (input: AppendInput) => !known.has(input)

  const refused = entries.map(({ subject, expectation, inputs }) => {
    const head = heads.get(subject)!
    if (inputs.length > 0 && !inputs.some(isNew)) return undefined
    if (head.archived && inputs.length > 0) return archivedError(subject)
    return meets(expectation, head.version) ? undefined : versionConflict(subject, expectation, head.version)
  }).find(error => error !== undefined)
  const unused = entries.filter(({ subject, inputs }) => heads.get(subject)!.version === 0 && (refused || inputs.length === 0))
  if (unused.length > 0) await session.query(forgetHeads(context, unused.map(({ subject }) => subject)))
  if (refused) throw refused

  const records = await appendNew(on, entries.flatMap(({ inputs }) => inputs).filter(isNew), onProgress)
  return entries.map(({ inputs }) => inputs.map(input => (known.get(input) ?? records.get(input))!))
}

/** Appends in steps. The events of a step belong to one partition, and either all or none have ids. */
async function appendNew(
  on: Appending, inputs: AppendInput[], onProgress: AppendManyOptions['onProgress'],
): Promise<Map<AppendInput, EventRecord>> {
  const records = new Map<AppendInput, EventRecord>()
  for (const group of groupsOf(inputs)) {
    for (let at = 0; at < group.length; at += MAX_STEP) {
      const step = group.slice(at, at + MAX_STEP)
      const appended = await appendRows(on, step.map(input => ({ ...input, expectation: ANY })))
      appended.forEach((record, of) => records.set(step[of]!, record!))
      await onProgress?.({ appended: records.size, total: inputs.length })
    }
  }
  return records
}

async function recordsOfKnown(on: Appending, inputs: AppendInput[]): Promise<Map<AppendInput, EventRecord>> {
  const known = new Map<AppendInput, EventRecord>()
  for (const group of groupsOf(inputs.filter(input => input.eventId !== undefined))) {
    for (let at = 0; at < group.length; at += MAX_STEP) {
      const step = group.slice(at, at + MAX_STEP)
      const records = await knownRecords(on, step)
      records.forEach((record, of) => record && known.set(step[of]!, record))
    }
  }
  return known
}

function groupsOf(inputs: AppendInput[]): AppendInput[][] {
  const groups = new Map<string, AppendInput[]>()
  for (const input of inputs) {
    const name = `${input.route.spec.table} ${partitionOf(input)} ${input.eventId === undefined}`
    const group = groups.get(name)
    if (group) group.push(input)
    else groups.set(name, [input])
  }
  return [...groups.values()]
}
