import { checkCount, checkText } from '../shared/checks'
import { DEFAULT_PAGE, readTextCursor, writeTextCursor } from './cursor'
import { likeOf } from './like'
import type { Statement } from './statement'
import type { StatementContext } from './template'

/** The options of every list that is sorted by a name. */
interface ListOptions {
  glob?: string
  cursor?: string | null
  limit?: number
}

/** A page of such a list: at most `limit` names behind `after` that match `glob`. */
export interface Listing {
  glob: string
  after: string
  limit: number
}

/** @throws {StoreError} INVALID_VALUE that names the option */
export function readListing({ glob = '*', cursor, limit = DEFAULT_PAGE }: ListOptions): Listing {
  return {
    glob: checkText('options.glob', glob),
    after: cursor === undefined || cursor === null ? '' : readTextCursor(cursor),
    limit: checkCount('options.limit', limit),
  }
}

/** Cursor of the page after these names; null when they are the last ones. */
export function nextCursor(names: string[], { limit }: Listing): string | null {
  return names.length === limit && limit > 0 ? writeTextCursor(names.at(-1)!) : null
}

/** What to list: the column with the name, further columns, and which rows count. */
interface Listed {
  table: string
  name: string
  columns: string
  condition: string
}

/** Rows in order of a name. With the bounds of the glob, the primary key serves its literal prefix. */
export function listNames(context: StatementContext, { table, name, columns, condition }: Listed, listing: Listing): Statement {
  const { pattern, from, to } = likeOf(listing.glob)
  return {
    ...context.cache.compile(`list ${table}`, () => `
select ${name}, ${columns}
from ${context.names.table(table)}
where tenant_id = $1::text and ${name} > $2::text and ${name} >= $3::text and ($4::text is null or ${name} < $4::text)
  and ${name} like $5::text escape '\\' and ${condition}
order by ${name} limit $6::bigint`),
    values: [context.tenant, listing.after, from, to, pattern, listing.limit],
  }
}
