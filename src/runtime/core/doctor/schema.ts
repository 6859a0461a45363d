import { drift } from '../migrate/drift'
import type { DriftFinding } from '../types/index'
import { plan } from '../migrate/plan'
import { describeBehind, sequencesBehind } from '../migrate/sequences'
import { isStoreError, messageOf } from '../errors'
import { quoteIdentifier } from '../sql/identifier'
import type { Check, Finding, Patient } from './types'
import { fail, ok, orElse, warn } from './types'

const MIGRATE = 'run `npx nvent-store migrate`'

export const rights: Check = {
  name: 'rights',
  async run(patient) {
    const { db, names, options } = patient
    const { rows: [row] } = await db.query<{ role: string, exists: boolean, usage: boolean | null, create: boolean | null, make: boolean }>({
      text: `select current_user::text as role, n.oid is not null as exists, pg_catalog.has_schema_privilege(n.oid, 'usage') as usage,
        pg_catalog.has_schema_privilege(n.oid, 'create') as create, pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create') as make
        from (select) here left join pg_catalog.pg_namespace n on n.nspname = $1::text`,
      values: [names.schema],
    })
    const { role, exists, usage, create, make } = row!
    const [schema, to] = [quoteIdentifier(names.schema), quoteIdentifier(role)]
    if (!exists) {
      return [make
        ? ok(`${role} may create the schema ${schema}, which is not there yet`)
        : fail(`the schema ${schema} is missing, and ${role} may not create it`, `as its owner or an administrator: create schema ${schema} authorization ${to}`)]
    }
    if (!usage) return [fail(`${role} may not use the schema ${schema}`, `grant usage on schema ${schema} to ${to}`)]
    return orElse([
      ...await missingRights(patient, to),
      ...(create || !options.autoMigrate
        ? []
        : [warn(
            `${role} may not create tables in ${schema}: it can't migrate, and events of new subject types stay in the default partition`,
            `grant create on schema ${schema} to ${to}, or set \`autoMigrate: false\` and migrate with another role`,
          )]),
    ], `${role} may do all it needs in ${schema}`)
  },
}

/** Tables and sequences that can't be used as the store uses them. */
async function missingRights({ db, names }: Patient, to: string): Promise<Finding[]> {
  const { rows } = await db.query<{ name: string, missing: string }>({
    text: `select c.relname::text as name, pg_catalog.string_agg(needed.privilege, ', ' order by needed.privilege) as missing
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      join (values ('table', 'select'), ('table', 'insert'), ('table', 'update'), ('table', 'delete'), ('sequence', 'usage')) needed (kind, privilege)
        on needed.kind = case c.relkind when 'S' then 'sequence' else 'table' end
      where n.nspname = $1::text and pg_catalog.starts_with(c.relname::text, $2::text) and c.relkind in ('r', 'p', 'S') and not c.relispartition
        and (c.relname <> $2::text || 'schema_version' or needed.privilege = 'select')
        and not case c.relkind when 'S' then pg_catalog.has_sequence_privilege(c.oid, needed.privilege) else pg_catalog.has_table_privilege(c.oid, needed.privilege) end
      group by c.relname order by c.relname`,
    values: [names.schema, `${names.prefix}_`],
  })
  return rows.map(({ name, missing }) => fail(
    `no right to ${missing} on ${name}`,
    `grant ${missing} on ${quoteIdentifier(names.schema)}.${quoteIdentifier(name)} to ${to}`,
  ))
}

export const schema: Check = {
  name: 'schema',
  async run({ db, names }) {
    try {
      const { version, latest, pending } = await plan(db, names)
      if (pending.length > 0) {
        const begun = pending[0]!.done > 0 ? ', the first of which was cut off' : ''
        return [fail(`the schema is at version ${version}, ${pending.length} migration${pending.length > 1 ? 's are' : ' is'} pending${begun}`, MIGRATE)]
      }
      return [version > latest
        ? warn(`the schema is at version ${version}, this build knows ${latest} and goes on with it`, 'update nvent-store-postgres here, too')
        : ok(`the schema is at version ${version}, the newest`)]
    }
    catch (error) {
      if (!isStoreError(error)) throw error
      return [fail(messageOf(error), 'the message says what to do')]
    }
  },
}

const ofIndexes = ({ object }: DriftFinding): boolean => object === 'index'
const finding = ({ level, message, advice }: DriftFinding): Finding => ({ level, message, advice })

/** What differs of a schema that is whole; one that is behind has been reported as such. */
async function driftOf({ db, names }: Patient): Promise<DriftFinding[] | undefined> {
  const { version, latest } = await plan(db, names)
  return version < latest ? undefined : drift(db, names)
}

export const drifted: Check = {
  name: 'drift',
  async run(patient) {
    const found = await driftOf(patient)
    if (!found) return [ok('not compared: migrations are pending')]
    return orElse(found.filter(each => !ofIndexes(each)).map(finding), 'tables, keys, sequences and functions are what the migrations made')
  },
}

export const sequences: Check = {
  name: 'sequences',
  async run({ db, names }) {
    const { version, latest } = await plan(db, names)
    if (version < latest) return [ok('not compared: migrations are pending')]
    const behind = await sequencesBehind(db, names, true)
    return orElse(behind.map(each => fail(`${describeBehind(each)}: it gives out numbers that are taken`, each.statement)), 'the sequences are ahead of all rows')
  },
}

export const indexes: Check = {
  name: 'indexes',
  async run(patient) {
    const found = await driftOf(patient)
    if (!found) return [ok('not compared: migrations are pending')]
    return orElse(found.filter(ofIndexes).map(finding), 'all indexes are there and valid')
  },
}
