import { describe, expect, it } from 'vitest'
import { fromPool } from '../../src/runtime/core/db/pg/pg'
import { migrations } from '../../src/runtime/core/schema/api'
import { migrate } from '../../src/runtime/core/schema/migrate'
import { freshDatabase, openStore } from '../setup/database'
import { servers } from './servers'

const BEFORE = migrations.findIndex(({ name }) => name === 'archive_causes')

describe.each(servers)('an archive that does not say why its events are there on $name', ({ server }) => {
  it('learns it: what came with an archived stream goes back with it, also where an id was given twice', async () => {
    const { url, sql, pool } = await freshDatabase(server)
    await migrate(fromPool(pool), { schema: 'public', prefix: 'nvent' }, migrations.slice(0, BEFORE))
    // Retention took the first events of both, then the second one was archived; an id was given again in between.
    await sql(`insert into nvent_heads (subject, version, first_id, last_ts, archived_version, archived_at)
      values ('a:1', 2, 0, 1, null, null), ('a:2', 4, 0, 1, 4, '2026-01-02')`)
    await sql(`insert into nvent_events_archive (id, subject, version, ts, type, record, event_id, archived_at) values
      (1, 'a:1', 1, 1, 'a', '{}', null, '2026-01-01'),
      (2, 'a:2', 1, 1, 'a', '{}', 'same', '2026-01-01'), (3, 'a:2', 2, 1, 'a', '{}', null, '2026-01-01'),
      (4, 'a:2', 3, 1, 'b', '{}', 'same', '2026-01-02'), (5, 'a:2', 4, 1, 'b', '{}', 'other', '2026-01-02')`)
    const { stream } = openStore({ connection: url })
    expect(await stream.unarchive('a:2')).toBe(true)
    expect((await stream.read('a:2')).map(({ id }) => id)).toEqual(['4', '5'])
    expect((await stream.read('a:2', { archived: true })).map(({ id }) => id)).toEqual(['2', '3', '4', '5'])
    expect((await stream.append('a:2', { type: 'c' }, { eventId: 'same' })).id).toBe('2')
    expect((await stream.append('a:2', { type: 'c' }, { eventId: 'other' })).id).toBe('5')
    expect(await sql(`select id::text, cause from nvent_events_archive order by id`)).toEqual(['1', '2', '3'].map(id => ({ id, cause: 'retention' })))
  })
})
