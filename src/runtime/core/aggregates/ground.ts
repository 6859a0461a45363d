import { answers } from '../batch/answers'
import type { Operation } from '../batch/operation'
import type { TierScope } from '../batch/tierScope'
import type { Row } from '../db/types'
import type { StreamOperations } from '../stream/types'
import type { StatementContext } from '../sql/template'
import type { TransactionApi } from '../transaction/types'
import type { Base } from './snapshots'
import { baseOf } from './snapshots'
import type { SnapshotInput, SnapshotKey } from './snapshotsSql'
import { readBases, writeSnapshot } from './snapshotsSql'

/** Where the calls of an aggregate go: to the store, or into one transaction. */
export interface AggregateGround {
  stream: Pick<StreamOperations, 'read' | 'iterate' | 'append' | 'appendMany' | 'appendAll'>
  base(key: SnapshotKey): Promise<Base | undefined>
  /** Resolves with false when the stream is no longer what the snapshot was taken of, or there is a newer one. */
  write(input: SnapshotInput): Promise<boolean>
  inTransaction: boolean
}

/** Concurrent calls share statements. */
export function groundOfStore(scope: TierScope, stream: AggregateGround['stream']): AggregateGround {
  const { context } = scope
  const base = basesOperation(context)
  return {
    stream,
    base: key => scope.sendRead(base, { kind: 'base', key: `${key.subject}\0${key.name}`, input: key, bytes: key.subject.length + key.name.length }),
    write: async input => (await scope.use(session => session.query(writeSnapshot(context, input)))).count > 0,
    inTransaction: false,
  }
}

export function groundOfTransaction(context: StatementContext, tx: TransactionApi): AggregateGround {
  return {
    stream: tx.stream,
    async base(key) {
      const { text, values } = readBases(context, [key])
      return baseOf((await tx.query(text, values)).rows[0])
    },
    async write(input) {
      const { text, values } = writeSnapshot(context, input)
      return (await tx.query(text, values)).rowCount > 0
    },
    inTransaction: true,
  }
}

function basesOperation(context: StatementContext): Operation<SnapshotKey, Base | undefined> {
  return {
    async one(session, _, key) {
      const { rows: [row] } = await session.query<Row>(readBases(context, [key]))
      return baseOf(row)
    },
    async many(session, _, groups) {
      const rows = await answers<Row>(session, readBases(context, groups.map(({ folded }) => folded)), groups.length)
      return groups.map(({ calls }, at) => calls.map(() => baseOf(rows[at])))
    },
    fold: key => key,
  }
}
