/** What an evaluation of a rule reads, of subjects with many events. */
import { beforeAll, describe, expect, it } from 'vitest'
import { streamSpecs } from '../../src/runtime/core/tables/builtin'
import { createRouter } from '../../src/runtime/core/tables/route'
import { namesOf } from '../../src/runtime/core/shared/identifier'
import { createStatementCache } from '../../src/runtime/core/sql/statement'
import { countEvents } from '../../src/runtime/core/rules/sql'
import type { FieldValue } from '../../src/runtime/core/rules/sql'
import type { ReadRange } from '../../src/runtime/core/stream/read/sql'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { planOf } from './plans'
import { servers } from './servers'

const EVENTS = 100_000
const HOUR = 3_600_000
const context = { names: namesOf('public', 'nvent'), cache: createStatementCache(true), tenant: '' }
const streamRoute = createRouter(streamSpecs, 'nvent')
const country: FieldValue = { path: ['data', 'country'], json: '"DE"' }

describe.each(servers)('the plan of a rule on $name', ({ server }) => {
  let database: Database
  let now = 0

  beforeAll(async () => {
    database = await freshDatabase(server)
    const store = openStore({ connection: database.url })
    now = (await store.stream.append('users:1', { type: 'login.failed' })).ts
    const fill = (table: string, columns: string, values: string, ts: string) => database.sql(`insert into ${table} (tenant_id, id, version, ts, type, data, ${columns})
      select '', nextval('nvent_events_id_seq'), n, ${ts}, 'login.failed', '{"country":"DE"}', ${values} from generate_series(1, ${EVENTS}) n`)
    // A millisecond apart, so that all are in a window of an hour.
    const recent = `${now - EVENTS} + n`
    await fill('nvent_events', 'subject_prefix, subject', '\'users\', \'users:recent\'', recent)
    await fill('nvent_events', 'subject_prefix, subject', '\'users\', \'users:old\'', `case when n > ${EVENTS - 2} then ${now} else n end`)
    await fill('nvent_flow_events', 'run_id', '\'recent\'', recent)
    await database.sql('vacuum analyze')
  })

  const read = async (subject: string, range: Partial<ReadRange>, fields: FieldValue[] = []) => {
    const statement = countEvents(context, {
      route: streamRoute(subject), fields, range: { order: 'desc', from: String(now - HOUR + 1), types: ['login.failed'], ...range, limit: 5 },
    })
    const [row] = await database.sql<{ count: number }>(statement.text, statement.values)
    const { nodes, blocks } = await planOf(database, statement)
    return { count: row!.count, types: nodes.map(node => node['Node Type']), blocks }
  }

  it.each<[string, string, number, Partial<ReadRange>, FieldValue[]]>([
    ['events of a type', 'users:recent', 5, {}, []],
    ['events by a field', 'users:recent', 5, { types: undefined }, [country]],
    ['events up to one of them', 'users:recent', 5, { toVersion: EVENTS / 2 }, [country]],
    ['events up to an id', 'users:recent', 5, { before: String(EVENTS / 2) }, []],
    ['events up to a time', 'users:recent', 5, { to: '9000000000000000' }, []],
    ['events of a subject whose others are too old', 'users:old', 2, {}, []],
    ['events of a table of their own', 'nvent:flow:run:recent', 5, {}, [country]],
  ])('stops counting at the threshold, and at the end of the window: %s', async (_, subject, wanted, range, fields) => {
    const { count, types, blocks } = await read(subject, range, fields)
    expect(count).toBe(wanted)
    expect(types.filter(type => /Seq Scan|Bitmap/.test(type))).toEqual([])
    expect(blocks).toBeLessThan(300)
  })
})
