import type { Queryable } from '../db/types'
import { failedWith } from '../db/errors'
import { StoreError, isStoreError } from '../shared/errors'
import { quoteIdentifier } from '../shared/identifier'
import { catalog } from './catalog.gen'
import { plainName } from './render'
import type { SchemaNames } from './types'

const INSUFFICIENT_PRIVILEGE = '42501'
const LISTED = 3

/** The rights that a role lacks to use a store. */
export interface MissingRights {
  role: string
  /** A phrase for each missing kind of right; empty when none is missing. */
  missing: string[]
  /** SQL that grants them, to be run by the owner or an administrator. */
  grants: string[]
  /** The role may not create tables, but the store already has tables: calls work, migrations do not. */
  mayNotCreate: boolean
  /** Owner of the tables when the role does not have its rights; null otherwise. Only the owner can change tables. */
  owner: string | null
}

interface PlaceRights extends Record<string, unknown> {
  role: string
  database: string
  connect: boolean
  /** Whether the role may create schemas. */
  make: boolean
  exists: boolean
  usage: boolean | null
  create: boolean | null
  /** Whether the store has tables already. */
  begun: boolean
  owner: string | null
}

/** Rights of one kind on objects of one kind. */
interface Lacking extends Record<string, unknown> {
  kind: 'table' | 'sequence' | 'function'
  privileges: string
  names: string[]
  /** Types of the arguments, for functions. */
  signatures: string[]
}

/**
 * Compares the rights of the current role with those that the store needs. `create`: whether it has to create tables.
 */
export async function missingRights(db: Queryable, names: SchemaNames, create: boolean): Promise<MissingRights> {
  const found = await placeRights(db, names)
  const [schema, to] = [quoteIdentifier(names.schema), quoteIdentifier(found.role)]
  const missing: string[] = []
  const grants: string[] = []
  const lack = (what: string, grant: string) => {
    missing.push(what)
    grants.push(grant)
  }
  if (!found.connect) lack(`no right to connect to the database ${found.database}`, `grant connect on database ${quoteIdentifier(found.database)} to ${to}`)
  if (!found.exists) {
    if (!found.make) lack(`the schema ${schema} is missing, and ${found.role} may not create it`, `create schema ${schema} authorization ${to}`)
    return { role: found.role, missing, grants, mayNotCreate: false, owner: null }
  }
  if (!found.usage) lack(`${found.role} may not use the schema ${schema}`, `grant usage on schema ${schema} to ${to}`)
  for (const { kind, privileges, names: objects, signatures } of await lackingOn(db, names)) {
    const targets = objects.map((name, at) => `${schema}.${quoteIdentifier(name)}${kind === 'function' ? `(${signatures[at]})` : ''}`)
    lack(`no right to ${privileges} on ${listed(objects)}`, `grant ${privileges} on ${kind} ${targets.join(', ')} to ${to}`)
  }
  const mayNotCreate = create && !found.create
  if (mayNotCreate && (missing.length > 0 || !found.begun)) {
    lack(`${found.role} may not create tables in ${schema}`, `grant create on schema ${schema} to ${to}`)
  }
  return { role: found.role, missing, grants, mayNotCreate, owner: found.owner }
}

async function placeRights(db: Queryable, { schema, prefix }: SchemaNames): Promise<PlaceRights> {
  const { rows: [row] } = await db.query<PlaceRights>({
    text: `select current_user::text as role, pg_catalog.current_database()::text as database, n.oid is not null as exists,
      pg_catalog.has_database_privilege(pg_catalog.current_database(), 'connect'::text) as connect,
      pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create'::text) as make,
      pg_catalog.has_schema_privilege(n.oid, 'usage'::text) as usage, pg_catalog.has_schema_privilege(n.oid, 'create'::text) as create,
      t.oid is not null as begun,
      case when not pg_catalog.pg_has_role(t.relowner, 'usage'::text) then pg_catalog.pg_get_userbyid(t.relowner)::text end as owner
      from (select) here
      left join pg_catalog.pg_namespace n on n.nspname = $1::text
      left join pg_catalog.pg_class t on t.relnamespace = n.oid and t.relname = $2::text`,
    values: [schema, `${prefix}_schema_version`],
  })
  return row!
}

/**
 * The rights missing on existing objects. Partitions are accessed through their parent, whose rights apply. The sequence
 * of an identity column needs no right of its own.
 */
async function lackingOn(db: Queryable, { schema, prefix }: SchemaNames): Promise<Lacking[]> {
  const named = (names: string[]) => names.map(name => plainName(name, prefix))
  const { rows } = await db.query<Lacking>({
    text: `select kind, privileges, pg_catalog.array_agg(name order by name) as names, pg_catalog.array_agg(signature order by name) as signatures
      from (
        select kind, name, signature, pg_catalog.string_agg(privilege, ', '::text order by privilege) as privileges
        from (
          select 'table'::text as kind, c.relname::text as name, ''::text as signature, needed.privilege
          from pg_catalog.pg_class c
          cross join pg_catalog.unnest(array['delete', 'insert', 'select', 'update']::text[]) as needed(privilege)
          where c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = $1::text) and c.relname = any($2::text[])
            and (c.relname <> $5::text || '_schema_version'::text or needed.privilege = 'select'::text)
            and not pg_catalog.has_table_privilege(c.oid, needed.privilege)
          union all
          select 'sequence'::text, c.relname::text, ''::text, needed.privilege
          from pg_catalog.pg_class c
          cross join pg_catalog.unnest(array['select', 'usage']::text[]) as needed(privilege)
          where c.relnamespace = (select oid from pg_catalog.pg_namespace where nspname = $1::text) and c.relname = any($3::text[]) and c.relkind = 'S'
            and (c.relname = any(array[$5::text || '_events_id_seq'::text, $5::text || '_inline_fence_seq'::text]) or needed.privilege = 'usage'::text)
            and not pg_catalog.has_sequence_privilege(c.oid, needed.privilege)
            and not exists (select 1 from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass::oid and d.objid = c.oid and d.deptype = 'i')
          union all
          select 'function'::text, p.proname::text, pg_catalog.oidvectortypes(p.proargtypes), 'execute'::text
          from pg_catalog.pg_proc p
          where p.pronamespace = (select oid from pg_catalog.pg_namespace where nspname = $1::text) and p.proname = any($4::text[])
            and not pg_catalog.has_function_privilege(p.oid, 'execute'::text)
        ) as each
        group by kind, name, signature
      ) as lacking
      group by kind, privileges order by pg_catalog.array_position(array['table', 'sequence', 'function']::text[], kind), privileges`,
    values: [
      schema,
      named(catalog.tables.filter(({ partitionOf }) => partitionOf === null).map(({ name }) => name)),
      named(catalog.sequences),
      // Trigger functions need no right to be executed by triggers.
      named(catalog.functions.filter(({ result }) => result !== 'trigger').map(({ name }) => name)),
      prefix,
    ],
  })
  return rows
}

function listed(names: string[]): string {
  const more = names.length - LISTED
  return more > 1 ? `${names.slice(0, LISTED).join(', ')} and ${more} more` : names.join(', ')
}

/** Whether the role lacks a right; also true for the error of a migration that failed because of it. */
export const isRefused = (error: unknown): boolean => failedWith(error, INSUFFICIENT_PRIVILEGE)

/**
 * Explains the error of a failed call by the rights that the role lacks, if any. All other errors are rethrown unchanged.
 * @throws {StoreError} the same error with the missing rights and the grants in message and details
 */
export async function explainRefused(db: Queryable, names: SchemaNames, error: unknown, create = false): Promise<never> {
  if (!isStoreError(error) || !isRefused(error)) throw error
  // When this check fails as well, the original error is thrown.
  const found = await missingRights(db, names, create).catch(() => undefined)
  if (!found || found.missing.length === 0) throw error
  const { role, missing, grants } = found
  const advice = grants.length === 1 ? `; as the owner run: ${grants[0]}` : ''
  throw new StoreError(error.code, `${error.message}: ${missing.join('; ')}${advice}`, {
    cause: error.cause ?? error, retryable: error.retryable, details: { ...error.details, role, missing, grants },
  })
}
