import type { Group, Operation } from '../batch/batcher'
import { canComposePatches, composePatches } from '../batch/fold'
import { foldSums, runningValues } from '../batch/sum'
import type { Row } from '../db/types'
import { decodeMetadata } from '../spec/metadata'
import type { IndexSpec } from '../spec/types'
import type { StatementContext } from '../statements/context'
import type { IncrementInput } from '../statements/increment'
import { incrementEntries } from '../statements/increment'
import type { AddInput, EntryInput, UpdateInput } from '../statements/index'
import { addEntries, entryExists, getEntries, updateEntries } from '../statements/index'
import type { IndexEntry } from '../types/index'

/** A row of a statement for many inputs says by `ord`, from 1 on, which input it answers. */
interface AnswerRow extends Row {
  ord: string
}

/** Why an entry was not incremented. */
type Refused = 'not found' | 'not a number'

/** What the index can do alone and in batches. */
export function indexOperations(context: StatementContext) {
  const add: Operation<AddInput, void> = {
    async one(session, _, input) {
      await session.query(addEntries(context, [input]))
    },
    async many(session, _, groups) {
      await session.query(addEntries(context, groups.map(({ folded }) => folded)))
      return groups.map(({ inputs }) => inputs.map(() => undefined))
    },
    fold: (_, last) => last,
  }

  const get: Operation<EntryInput, Row | undefined> = {
    async one(session, _, input) {
      const { rows: [row] } = await session.query(getEntries(context, [input]))
      return row
    },
    async many(session, _, groups) {
      const rows = await answers(session.query<AnswerRow>(getEntries(context, groups.map(({ folded }) => folded))))
      return groups.map(({ inputs }, at) => inputs.map(() => rows.get(at)))
    },
    fold: first => first,
  }

  const update: Operation<UpdateInput, boolean> = {
    async one(session, _, input) {
      return (await session.query(updateEntries(context, [input]))).count > 0
    },
    async many(session, _, groups) {
      const sorted = inOrder(groups)
      const rows = await answers(session.query<AnswerRow>(updateEntries(context, sorted.map(({ folded }) => folded))))
      const found = new Set([...rows.keys()].map(at => sorted[at]))
      return groups.map(group => group.inputs.map(() => found.has(group)))
    },
    fold: (first, second) => first.expectedVersion === undefined && canComposePatches(first.patch, second.patch)
      ? { ...first, patch: composePatches(first.patch, second.patch), times: first.times + second.times }
      : undefined,
  }

  const increment: Operation<IncrementInput, number | Refused> = {
    async one(session, _, input) {
      const { rows: [row] } = await session.query<{ value: number }>(incrementEntries(context, [input]))
      if (row) return row.value
      const { rows: [entry] } = await session.query(entryExists(context, input))
      return entry ? 'not a number' : 'not found'
    },
    async many(session, _, groups) {
      const sorted = inOrder(groups)
      const rows = await answers(session.query<AnswerRow>(incrementEntries(context, sorted.map(({ folded }) => folded))))
      const values = new Map([...rows].map(([at, row]) => [sorted[at], row.value as number]))
      return groups.map((group) => {
        const last = values.get(group)
        return last === undefined ? undefined : runningValues(last, group.inputs)
      })
    },
    fold(first, second) {
      const folded = foldSums(first, second)
      return folded && { ...folded, times: first.times + second.times }
    },
  }

  return { add, get, update, increment }
}

export function decodeEntry(spec: IndexSpec, row: Row): IndexEntry {
  const metadata = decodeMetadata(spec, row)
  const entry = { id: row[spec.id] as string, score: row.score as number }
  return metadata === undefined ? entry : { ...entry, metadata }
}

/** In order of entry: two instances that change the same entries must not wait for each other. */
function inOrder<I extends EntryInput>(groups: Group<I>[]): Group<I>[] {
  return groups.toSorted(({ folded: a }, { folded: b }) =>
    a.id === b.id ? compare(a.route.subject, b.route.subject) : compare(a.id, b.id))
}

const compare = (a: string, b: string) => a < b ? -1 : 1

async function answers(result: Promise<{ rows: AnswerRow[] }>): Promise<Map<number, Row>> {
  const { rows } = await result
  return new Map(rows.map(row => [Number(row.ord) - 1, row]))
}
