import { answers } from '../batch/answers'
import type { Operation } from '../batch/operation'
import type { TierScope } from '../batch/tierScope'
import type { Row } from '../db/types'
import { checkMilliseconds, checkName, rejecting } from '../shared/checks'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { claimKeys, markKeys, readKeys, releaseKeys } from './sql'
import type { TakenKey } from './sql'
import type { DedupeKeys } from './types'

/** A key that is taken. JSON as a string; null where no result is kept. */
export interface TakenRow extends Row {
  result: string | null
}

/** The calls that take keys, and what reads the result of one, with others in one statement. */
export interface DedupeCalls {
  keys: DedupeKeys
  read(key: string): Promise<TakenRow | undefined>
}

export function createDedupeCalls({ context, send }: TierScope): DedupeCalls {
  const [claim, mark, release, read] = [claimOperation(context), markOperation(context), releaseOperation(context), readOperation(context)]
  const sendRead = (key: string) => send(read, { kind: 'read', key, input: key, bytes: key.length })
  return {
    read: sendRead,
    keys: {
      claim: rejecting((key, ttlMs) => {
        const input = takenKey(key, ttlMs)
        return send(claim, { kind: 'claim', key, input, bytes: key.length })
      }),

      seen: rejecting(async key => await sendRead(checkName('key', key)) !== undefined),

      mark: rejecting((key, ttlMs) => {
        const input = takenKey(key, ttlMs)
        return send(mark, { kind: 'mark', key, input, bytes: key.length })
      }),

      release: rejecting(key => send(release, { kind: 'release', key: checkName('key', key), input: key, bytes: key.length })),
    },
  }
}

export const takenKey = (key: unknown, ttlMs: unknown): TakenKey => ({ key: checkName('key', key), ttlMs: checkMilliseconds('ttlMs', ttlMs, 1) })

/** Of the calls on one key in a statement the first wins, and its time counts: the others come while the key is taken. */
function claimOperation(context: StatementContext): Operation<TakenKey, boolean> {
  return {
    async one(session, _, input) {
      return (await session.query(claimKeys(context, [input]))).rows.length > 0
    },
    async many(session, _, groups) {
      const { rows } = await session.query<{ key: string }>(claimKeys(context, groups.map(({ folded }) => folded)))
      const taken = new Set(rows.map(({ key }) => key))
      return groups.map(({ calls, folded }) => calls.map((_, at) => at === 0 && taken.has(folded.key)))
    },
    fold: first => first,
  }
}

function markOperation(context: StatementContext): Operation<TakenKey, void> {
  return writing(inputs => markKeys(context, inputs), (_, last) => last)
}

function releaseOperation(context: StatementContext): Operation<string, void> {
  return writing(keys => releaseKeys(context, keys), key => key)
}

function writing<I>(statement: (inputs: I[]) => Statement, fold: (first: I, last: I) => I): Operation<I, void> {
  return {
    async one(session, _, input) {
      await session.query(statement([input]))
    },
    async many(session, _, groups) {
      await session.query(statement(groups.map(({ folded }) => folded)))
      return groups.map(({ calls }) => calls.map(() => undefined))
    },
    fold,
  }
}

function readOperation(context: StatementContext): Operation<string, TakenRow | undefined> {
  return {
    async one(session, _, key) {
      return (await session.query<TakenRow>(readKeys(context, [key]))).rows[0]
    },
    async many(session, _, groups) {
      const rows = await answers<TakenRow>(session, readKeys(context, groups.map(({ folded }) => folded)), groups.length)
      return groups.map(({ calls }, at) => calls.map(() => rows[at]))
    },
    fold: key => key,
  }
}
