import type { Operation } from '../batch/operation'
import { canComposePatches, composePatches } from './foldPatches'
import { foldSums, runningValues } from '../batch/sum'
import type { Row } from '../db/types'
import { StoreError, invalidValue } from '../shared/errors'
import { decodeMetadata } from '../tables/metadata'
import type { IndexSpec } from '../tables/types'
import type { StatementContext } from '../sql/template'
import type { IncrementInput } from './increment'
import { incrementEntries, readCountable } from './increment'
import type { AddInput, EntryInput, UpdateInput } from './sql'
import { addEntries, getEntries, updateEntries } from './sql'
import type { EntriesInput } from './page'
import { readEntries } from './page'
import type { IndexEntry } from './types'
import { answers, byInput } from '../batch/answers'

// An entry that changes so often between two statements does not do so by chance.
const MAX_ATTEMPTS = 50

interface ValueRow extends Row {
  value: number
}

/** The operations of the index that can be sent alone or combined. */
export function indexOperations(context: StatementContext) {
  const add: Operation<AddInput, void> = {
    async one(session, _, input) {
      await session.query(addEntries(context, [input]))
    },
    async many(session, _, groups) {
      await session.query(addEntries(context, groups.map(({ folded }) => folded)))
      return groups.map(({ calls }) => calls.map(() => undefined))
    },
    fold: (_, last) => last,
  }

  // Each call gets its own copy of the entry, so that changes by one caller do not affect another.
  const get: Operation<EntryInput, IndexEntry | null> = {
    async one(session, _, input) {
      const { rows: [row] } = await session.query(getEntries(context, [input]))
      return row ? decodeEntry(input.route.spec, row) : null
    },
    async many(session, _, groups) {
      const rows = await answers(session, getEntries(context, groups.map(({ folded }) => folded)), groups.length)
      return groups.map(({ calls, folded }, at) => {
        const row = rows[at]
        return calls.map(() => row ? decodeEntry(folded.route.spec, row) : null)
      })
    },
    fold: first => first,
  }

  const update: Operation<UpdateInput, boolean> = {
    async one(session, _, input) {
      return (await session.query(updateEntries(context, [input]))).count > 0
    },
    async many(session, _, groups) {
      const rows = await answers(session, updateEntries(context, groups.map(({ folded }) => folded)), groups.length)
      return groups.map(({ calls }, at) => {
        const found = rows[at] !== undefined
        return calls.map(() => found)
      })
    },
    fold: (first, second) => first.expectedVersion === undefined && canComposePatches(first.patch, second.patch)
      ? { ...first, patch: composePatches(first.patch, second.patch), times: first.times + second.times }
      : undefined,
  }

  const increment: Operation<IncrementInput, number> = {
    async one(session, _, input) {
      for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
        const { rows: [row] } = await session.query<ValueRow>(incrementEntries(context, [input]))
        if (row) return row.value
        const { rows: [entry] } = await session.query<{ countable: boolean }>(readCountable(context, input))
        if (!entry) throw entryNotFound(input.route.subject, input.id)
        // The entry was added, or its value became a number, between the two statements: the next attempt decides.
        if (!entry.countable) throw notANumber(input)
      }
      throw neverTheSame(input)
    },
    async many(session, _, groups) {
      const rows = await answers<ValueRow>(session, incrementEntries(context, groups.map(({ folded }) => folded)), groups.length)
      return groups.map(({ calls }, at) => {
        const row = rows[at]
        return row && runningValues(row.value, calls)
      })
    },
    fold(first, second) {
      const folded = foldSums(first, second)
      return folded && { ...folded, times: first.times + second.times }
    },
  }

  const read: Operation<EntriesInput, IndexEntry[]> = {
    async one(session, _, input) {
      const { rows } = await session.query(readEntries(context, [input]))
      return rows.map(row => decodeEntry(input.route.spec, row))
    },
    async many(session, _, groups) {
      const { rows } = await session.query(readEntries(context, groups.map(({ folded }) => folded)))
      const found = byInput(rows, groups.length, row => row.ord)
      return groups.map(({ calls, folded }, at) => calls.map(() => found[at]!.map(row => decodeEntry(folded.route.spec, row))))
    },
    fold: first => first,
  }

  return { add, get, update, increment, read }
}

export function entryNotFound(key: string, id: string, when = ''): StoreError {
  return new StoreError('NOT_FOUND', `Entry not found: ${JSON.stringify(id)} in ${JSON.stringify(key)} ${when}`.trimEnd(), {
    details: { key, id },
  })
}

function notANumber({ route: { subject: key }, id, field }: IncrementInput): StoreError {
  return invalidValue('field', `${JSON.stringify(field)} of entry ${JSON.stringify(id)} in ${JSON.stringify(key)} is not a number and can't be incremented; nothing was changed`, { key, id, field })
}

function neverTheSame({ route: { subject: key }, id }: IncrementInput): StoreError {
  return new StoreError('DATABASE', `entry ${JSON.stringify(id)} in ${JSON.stringify(key)} was not incremented: its value is a number, but ${MAX_ATTEMPTS} updates changed no row; look for a trigger that prevents updates of its table`, {
    details: { key, id },
  })
}

export function decodeEntry(spec: IndexSpec, row: Row): IndexEntry {
  const metadata = decodeMetadata(spec, row)
  const [id, score] = [row[spec.id] as string, row.score as number]
  return metadata === undefined ? { id, score } : { id, score, metadata }
}
