import type { Row, Session } from '../db/types'
import type { Statement } from '../sql/statement'
import type { StatementContext } from '../sql/template'
import { plannedEachTime } from '../sql/template'
import { readFence } from '../stream/append/fence'

/*
 * What runs in the transaction of an append, and how it changes. A change locks the heads, so that no append is under way
 * when it is committed: whatever was appended before is in the log by then, and whatever comes later meets another fence.
 */

const statement = plannedEachTime('inline projections')

export interface InlineRow extends Row {
  fence: string
  isolation: string
  /** Null in the only row, where there is none. */
  name: string | null
  version: string
  build: string
  filter: string
}

/** All that serve, with the fence: a row in any case. */
function readInline(context: StatementContext): Statement {
  return statement(context, 'read', table => `
select ${readFence(context)}::text as fence, pg_catalog.current_setting('transaction_isolation') as isolation,
  p.name, p.version::text as version, p.build::text as build, p.filter::text as filter
from (select) as always left join ${table('projections')} p on p.tenant_id = $1::text and p.mode = 'inline'::text and p.state = 'serving'::text
order by p.name`, [])
}

/** The same while no change is under way: with its lock an append can't miss the end of one. */
export const loadInline = (session: Session, context: StatementContext): Promise<InlineRow[]> => session.atomic(async (inside) => {
  await inside.script(`lock table ${context.names.table('heads')} in row exclusive mode`)
  return (await inside.query<InlineRow>(readInline(context))).rows
}, { isolation: 'read committed' })

/** Waits until no append is under way, and keeps others from beginning until the transaction ends. */
export const holdAppends = (session: Session, { names }: StatementContext): Promise<void> =>
  session.script(`lock table ${names.table('heads')} in share row exclusive mode`)

/** To be sent while appends are held. */
export const moveFence = ({ names }: StatementContext): Statement => ({ text: `select pg_catalog.nextval(${names.literal('inline_fence_seq')})`, values: [] })
