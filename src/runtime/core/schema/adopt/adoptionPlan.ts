import type { Queryable, Row } from '../../db/types'
import { namesOf, quoteIdentifier } from '../../shared/identifier'
import type { SchemaNames, AdoptionPlan } from '../types'
import { FOREIGN, FOREIGN_HELPER, contentTables, foreignIndexes, foreignTables, foreignVersion } from './foreign'
import { adoptions } from './adoption.gen'

/**
 * What `migrate` would do with the tables of the published adapter; undefined when there are none. Changes and locks
 * nothing. Counts every row, which takes a while on large tables.
 * @throws {StoreError} CONNECTION, TIMEOUT
 * @example
 * const plan = await planAdoption(fromPool(pool), { schema: 'public', prefix: 'nvent' })
 * if (plan?.problems.length) throw new Error(plan.problems.join('\n'))
 */
export async function planAdoption(db: Queryable, names: SchemaNames): Promise<AdoptionPlan | undefined> {
  const version = await foreignVersion(db, names)
  if (version === undefined) return undefined
  const plan: AdoptionPlan = {
    from: FOREIGN, version, tables: [], misplacedCounters: 0, helper: await helperOf(db, names), lost: [],
    problems: await adoptionProblems(db, names, version),
  }
  if (plan.problems.length > 0) return plan
  for (const table of Object.keys(contentTables)) {
    plan.tables.push({ table: `${names.prefix}_${table}`, ...await sizeOf(db, names, table) })
  }
  plan.misplacedCounters = await misplacedCounters(db, names)
  plan.lost = await othersOn(db, names)
  return plan
}

/** The reasons for which the tables can't be adopted as they are, each with what to do. */
export async function adoptionProblems(db: Queryable, names: SchemaNames, version: number): Promise<string[]> {
  if (!adoptions.some(adoption => adoption.version === version)) return [unknownVersion(version)]
  const { rows: columns } = await db.query<{ table: string, column: string, owner: string, mine: boolean }>({
    text: `select c.relname as table, a.attname as column, r.rolname as owner, r.rolname = current_user as mine
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join pg_catalog.pg_roles r on r.oid = c.relowner
      join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where n.nspname = $1::text and c.relname = any($2::text[]) and c.relkind = 'r'`,
    values: [names.schema, tableNames(names)],
  })
  const problems: string[] = []
  for (const [table, known] of Object.entries(foreignTables)) {
    const name = `${names.prefix}_${table}`
    const found = columns.filter(column => column.table === name)
    const missing = known.filter(column => !found.some(each => each.column === column))
    const more = found.map(({ column }) => column).filter(column => !known.includes(column))
    if (missing.length > 0) problems.push(`table ${name} lacks ${missing.join(', ')}: it is not the table that ${FOREIGN} creates; restore it`)
    if (more.length > 0) problems.push(`table ${name} has columns that ${FOREIGN} did not create (${more.join(', ')}): move them to a table of your own`)
    const owner = found.find(({ mine }) => !mine)?.owner
    if (owner !== undefined) problems.push(`table ${name} belongs to the role ${owner}: run migrate as that role`)
  }
  return [...problems, ...await dependents(db, names)]
}

function unknownVersion(version: number): string {
  const known = Math.max(...adoptions.map(adoption => adoption.version))
  return version < known
    ? `its schema is at version ${version}, and only ${known} can be adopted: start the app with ${FOREIGN}@0.5.15 once, which brings it there`
    : `its schema is at version ${version}, and this build knows ${known}: update nvent-store-postgres, or choose another prefix or schema`
}

/** Views and foreign keys that depend on the tables prevent dropping them. */
async function dependents(db: Queryable, names: SchemaNames): Promise<string[]> {
  const { rows } = await db.query<{ table: string, dependent: string | null }>({
    text: `select distinct c.relname as table, coalesce(
        (select 'view ' || ${relativeName('w.ev_class')} from pg_catalog.pg_rewrite w where d.classid = 'pg_catalog.pg_rewrite'::regclass::oid and w.oid = d.objid),
        (select 'foreign key ' || f.conname::text || ' of ' || ${relativeName('f.conrelid')} from pg_catalog.pg_constraint f
          where d.classid = 'pg_catalog.pg_constraint'::regclass::oid and f.oid = d.objid and f.contype = 'f')
      ) as dependent
      from pg_catalog.pg_depend d
      join pg_catalog.pg_class c on c.oid = d.refobjid and d.refclassid = 'pg_catalog.pg_class'::regclass::oid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1::text and c.relname = any($2::text[]) and d.deptype = 'n'
      order by 1, 2`,
    values: [names.schema, tableNames(names)],
  })
  return rows.filter(({ dependent }) => dependent !== null)
    .map(({ table, dependent }) => `${dependent} depends on table ${table}: drop it, and create it again afterwards`)
}

async function sizeOf(db: Queryable, names: SchemaNames, table: string): Promise<{ rows: number, bytes: number }> {
  const { rows: [size] } = await db.query<{ rows: string, bytes: string }>({
    text: `select pg_catalog.count(*) as rows, pg_catalog.pg_total_relation_size($1::text::regclass) as bytes from ${foreignTable(names, table)}`,
    values: [foreignTable(names, table)],
  })
  return { rows: Number(size!.rows), bytes: Number(size!.bytes) }
}

async function misplacedCounters(db: Queryable, names: SchemaNames): Promise<number> {
  // Numbers outside the range of an integer column are not counters, but times of events that have such a name.
  const { rows: [found] } = await db.query<{ count: string }>({
    text: `select pg_catalog.count(*) as count from ${foreignTable(names, 'flow_runs')}
      where pg_catalog.jsonb_typeof(emitted_events) = 'object' and exists (
        select from pg_catalog.unnest($1::text[]) as field where pg_catalog.jsonb_path_exists(emitted_events -> field,
          'strict $ ? (@.type() == "number" && @ >= -2147483648 && @ <= 2147483647 && @.floor() == @)', '{}', true))`,
    values: [['stepCount', 'completedSteps']],
  })
  return Number(found!.count)
}

/** The helper function is replaced only when it is the adapter's own and nothing else is known to use it. */
export async function helperOf(db: Queryable, names: SchemaNames): Promise<AdoptionPlan['helper']> {
  const { rows: [helper] } = await db.query<{ replaceable: boolean }>({
    text: `select pg_catalog.md5(p.prosrc) = $2::text and pg_catalog.pg_get_userbyid(p.proowner) = current_user
      and not exists (select from pg_catalog.pg_depend d where d.refclassid = 'pg_catalog.pg_proc'::regclass::oid and d.refobjid = p.oid)
      and not exists (
        select from pg_catalog.pg_class c where c.relname::text like '%\\_schema\\_version' and c.relkind = 'r'
          and c.oid <> $3::text::regclass::oid
          and exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'description')
          and not exists (select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attname = 'checksum')
      ) as replaceable
      from pg_catalog.pg_proc p
      where p.oid = pg_catalog.to_regprocedure($1::text)::oid`,
    values: [helperFunction(names), FOREIGN_HELPER, foreignTable(names, 'schema_version')],
  })
  if (!helper) return 'absent'
  return helper.replaceable ? 'replaced' : 'left alone'
}

/** Indexes, triggers and policies that the adapter did not create. */
async function othersOn(db: Queryable, names: SchemaNames): Promise<string[]> {
  const { rows } = await db.query<Row & { found: string }>({
    text: `with tables as (
        select c.oid, c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = $1::text and c.relname = any($2::text[])
      )
      select 'index ' || i.relname::text || ' on ' || t.relname::text as found from tables t
        join pg_catalog.pg_index x on x.indrelid = t.oid and not x.indisprimary
        join pg_catalog.pg_class i on i.oid = x.indexrelid where i.relname <> all($3::text[])
      union all
      select 'trigger ' || g.tgname::text || ' on ' || t.relname::text from tables t
        join pg_catalog.pg_trigger g on g.tgrelid = t.oid and not g.tgisinternal
      union all
      select 'policy ' || p.polname::text || ' on ' || t.relname::text from tables t join pg_catalog.pg_policy p on p.polrelid = t.oid
      order by 1`,
    values: [names.schema, tableNames(names), foreignIndexes.map(index => `idx_${names.prefix}_${index}`)],
  })
  return rows.map(({ found }) => found)
}

export const helperFunction = ({ schema }: SchemaNames): string => `${quoteIdentifier(schema)}.jsonb_deep_merge(jsonb, jsonb)`
export const foreignTable = ({ schema, prefix }: SchemaNames, table: string): string => namesOf(schema, prefix).table(table)
const tableNames = ({ prefix }: SchemaNames) => Object.keys(foreignTables).map(table => `${prefix}_${table}`)

/** SQL for the name of a relation, with its schema unless that is the store's. Independent of the search path. */
const relativeName = (oid: string) => `(select case when rs.nspname = $1::text then '' else pg_catalog.quote_ident(rs.nspname::text) || '.' end
  || pg_catalog.quote_ident(r.relname::text) from pg_catalog.pg_class r join pg_catalog.pg_namespace rs on rs.oid = r.relnamespace where r.oid = ${oid})`
