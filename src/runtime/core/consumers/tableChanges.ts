import type { Row, Session } from '../db/types'
import type { TableChanges } from './deadLetterTypes'

const COUNTED = {
  text: `
select schemaname::text as schema, relname::text as table,
  n_tup_ins::double precision as inserted, n_tup_upd::double precision as updated, n_tup_del::double precision as deleted
from pg_catalog.pg_stat_xact_user_tables where n_tup_ins + n_tup_upd + n_tup_del > 0 order by schemaname, relname`,
  values: [],
}
const IS_COUNTING = { text: 'select pg_catalog.current_setting(\'track_counts\') as counts', values: [] }

/** Counts what is written from now on in a transaction. Returns a function that reads it; null where the server doesn't count. */
export async function countChanges(session: Session): Promise<() => Promise<TableChanges[] | null>> {
  const { rows: [setting] } = await session.query<{ counts: string }>(IS_COUNTING)
  if (setting!.counts !== 'on') return () => Promise.resolve(null)
  const keyOf = ({ schema, table }: TableChanges) => JSON.stringify([schema, table])
  const read = async () => (await session.query(COUNTED)).rows.map(toChanges)
  // The connection may hold counts of transactions before this one that the server has not collected yet.
  const before = new Map((await read()).map(each => [keyOf(each), each]))
  return async () => (await read()).map((each) => {
    const { inserted = 0, updated = 0, deleted = 0 } = before.get(keyOf(each)) ?? {}
    return { ...each, inserted: each.inserted - inserted, updated: each.updated - updated, deleted: each.deleted - deleted }
  }).filter(({ inserted, updated, deleted }) => inserted + updated + deleted > 0)
}

const toChanges = ({ schema, table, inserted, updated, deleted }: Row): TableChanges => ({
  schema: schema as string, table: table as string, inserted: Number(inserted), updated: Number(updated), deleted: Number(deleted),
})
