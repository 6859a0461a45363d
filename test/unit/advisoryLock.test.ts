import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import type { Db, Session } from '../../src/runtime/core/db/types'
import { createJobLock } from '../../src/runtime/core/jobs/jobLock'
import { locked } from '../../src/runtime/core/schema/migrationLock'
import { storeLockKey } from '../../src/runtime/core/shared/advisoryLock'
import type { Names } from '../../src/runtime/core/shared/identifier'
import { orderKey } from '../../src/runtime/core/sql/order'
import { nodesOf, readSources } from './sources'

// Of the first release. During a rolling update both builds work on one database: what is pinned here never changes.
const STORES = [
  {
    schema: 'public', prefix: 'nvent',
    order: { lock: 420463984, setting: 'nvent.order_1b7b00d33a6b99984fc60e5d', channel: 'nvent_1b7b00d33a6b99984fc60e5d' },
    jobs: { 'retention': '-250263492547229926', 'sweep': '19392264575743366', 'stream tables': '7843383325309654698' },
    migrate: '7204916381247173630',
  },
  {
    schema: 'Odd "schema"', prefix: 'nq-test',
    order: { lock: 614733269, setting: 'nvent.order_3d8a83fcbaa8a66aee69dbed', channel: 'nvent_3d8a83fcbaa8a66aee69dbed' },
    jobs: { 'retention': '-2384845385286432989', 'sweep': '3987056745375583035', 'stream tables': '3888318757356204611' },
    migrate: '-1431134110552947555',
  },
]

/** A session where every lock is free; notes the keys that are asked for. */
function noting(keys: unknown[]): Session {
  const session: Session = {
    inTransaction: true,
    async query(statement) {
      keys.push(...statement.values)
      return { rows: [{ mine: true, locked: true }], count: 1 } as never
    },
    queryLists: async () => [],
    raw: async () => ({ rows: [], count: 0 }),
    script: async () => {},
    atomic: work => work(session),
  }
  return session
}

describe.each(STORES)('the advisory locks of $prefix in $schema are the same in every build', ({ schema, prefix, order, jobs, migrate }) => {
  it('for the order of events', () => {
    expect(orderKey({ schema, prefix })).toEqual(order)
  })

  it.each(Object.entries(jobs))('for a job: %s', async (job, key) => {
    const keys: unknown[] = []
    await createJobLock(work => work(noting(keys)), { schema, prefix } as Names, job)(async () => {})
    expect(keys).toEqual([key])
    expect(storeLockKey({ schema, prefix }, job)).toBe(key)
  })

  it('for migrations', async () => {
    const keys: unknown[] = []
    await locked(noting(keys) as Db, { schema, prefix } as never, async () => {})
    expect(keys).toEqual([migrate])
  })
})

describe('the keys of advisory locks', () => {
  const calls = (names: string[]) => readSources().flatMap(source => [...nodesOf(source.tree)]
    .filter(node => ts.isCallExpression(node))
    .filter(call => names.includes(call.expression.getText())).map(call => ({ source, call })))

  it('are made for these purposes only', () => {
    const purposes = calls(['createJobLock', 'storeLockKey', 'lockKey', 'digestOf'])
      .flatMap(({ call }) => call.arguments.filter(argument => ts.isStringLiteral(argument)).map(({ text }) => text))
    expect(new Set(purposes)).toEqual(new Set(['order', 'migrate', ...Object.keys(STORES[0]!.jobs)]))
  })

  it('are digested in one place', () => {
    const digests = calls(['createHash']).map(({ source }) => source.name)
    expect(digests.sort()).toEqual([
      // Tells apart the machines that share an embedded directory.
      'runtime/core/db/pglite/lockClaim',
      'runtime/core/shared/advisoryLock',
      // Names prepared statements.
      'runtime/core/sql/statement',
    ])
    expect(readSources().filter(({ name, text }) => !/\/(?:advisoryLock|.*\.gen)$/.test(name) && text.includes('readBigInt64BE')).map(({ name }) => name)).toEqual([])
  })
})
