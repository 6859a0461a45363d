import { describe, expect, it } from 'vitest'
import { countFound, findStates } from '../../src/runtime/core/projections/querySql'
import { conditionsOf } from '../../src/runtime/core/projections/declaredFields'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import { freshDatabase, openStore } from '../setup/database'
import { planOf } from './plans'
import { servers } from './servers'

const STATES = 50_000
const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(true), tenant: '' }
const build = { name: 'orders', build: '1' }
const declared = { fields: ['customer'], sortBy: 'total' }

describe.each(servers)('a query of a projection, on $name', ({ server }) => {
  it('reads few blocks among many states, by fields and by the number that sorts them', async () => {
    const database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    await store.ready()
    // Of another projection, too: they share the indexes.
    await database.sql(`insert into nvent_projection_states (name, build, key, state, position, revision, fields, rank)
      select name, 1, 'orders:' || n, '{}', n, 1, jsonb_build_object('', '["' || name || '",1]', 'customer', n % 5000), n
      from unnest(array['orders', 'other']) name, generate_series(1, ${STATES}) n`)
    await database.sql('vacuum analyze nvent_projection_states')
    const all = await database.sql<{ blocks: number }>('select relpages as blocks from pg_class where relname = \'nvent_projection_states\'')
    const conditions = conditionsOf(declared, build, 'filter', { customer: 77 })
    const sort = { order: 'desc' as const, min: null, max: null }
    const byField = await planOf(database, findStates(context, build, { conditions, sort: undefined, after: undefined, limit: 50 }))
    const counted = await planOf(database, countFound(context, build, conditions))
    const any = conditionsOf(declared, build, 'filter', undefined)
    const sorted = await planOf(database, findStates(context, build, { conditions: any, sort, after: undefined, limit: 50 }))
    const later = await planOf(database, findStates(context, build, { conditions: any, sort, after: { key: 'orders:25000', rank: 25_000 }, limit: 50 }))
    for (const [name, { blocks }] of Object.entries({ byField, counted, sorted, later })) expect(blocks, name).toBeLessThan(all[0]!.blocks / 5)
    expect((await database.sql(findStates(context, build, { conditions, sort: undefined, after: undefined, limit: 50 }).text, findStates(context, build, { conditions, sort: undefined, after: undefined, limit: 50 }).values)).length).toBe(10)
  })
})
