import { drift } from '../schema/drift'
import type { DriftFinding } from '../schema/types'
import { plan } from '../schema/migrationPlan'
import { isRefused, missingRights } from '../schema/rights'
import { describeBehind, hidesSequences, sequencesBehind } from '../schema/sequences'
import { isStoreError, messageOf } from '../shared/errors'
import { quoteIdentifier } from '../shared/identifier'
import type { Check, Finding, Examined } from './types'
import { REFUSED, fail, ok, orElse, warn } from './types'

const MIGRATE = 'run `npx nvent-store migrate`'

export const rights: Check = {
  name: 'rights',
  async run({ db, names, options }) {
    const { role, missing, grants, mayNotCreate, owner } = await missingRights(db, names, options.autoMigrate)
    const [schema, to] = [quoteIdentifier(names.schema), quoteIdentifier(role)]
    if (missing.length > 0) return [fail(missing.join('; '), grants.map(grant => `${grant};`).join('\n'))]
    if (mayNotCreate) {
      return [warn(
        `${role} may not create tables in ${schema}: it can't migrate, and events of new subject types stay in the default partition`,
        `grant create on schema ${schema} to ${to}; -- or set autoMigrate: false, and migrate with another role`,
      )]
    }
    const others = options.autoMigrate && owner !== null ? `; the tables are ${owner}'s: new migrations need that role, and autoMigrate: false here` : ''
    return [ok(`${role} may do all it needs in ${schema}${others}`)]
  },
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
        ? warn(`the schema is at version ${version}, newer than version ${latest} of this build, which is compatible`, 'update nvent-store-postgres here, too')
        : ok(`the schema is at version ${version}, the newest`)]
    }
    catch (error) {
      if (!isStoreError(error) || isRefused(error)) throw error
      return [fail(messageOf(error), 'see the error message')]
    }
  },
}

const ofIndexes = ({ object }: DriftFinding): boolean => object === 'index'
const finding = ({ level, message, advice }: DriftFinding): Finding => ({ level, message, advice })

/** Drift of a schema that is up to date; undefined when it is behind, which another check reports. */
async function driftOf({ db, names }: Examined): Promise<DriftFinding[] | undefined> {
  const { version, latest } = await plan(db, names)
  return version < latest ? undefined : drift(db, names)
}

export const drifted: Check = {
  name: 'drift',
  async run(examined) {
    const found = await driftOf(examined)
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
    if (behind.length === 0 && await hidesSequences(db, names)) return REFUSED
    return orElse(behind.map(each => fail(`${describeBehind(each)}: it assigns ids that are in use`, each.statement)), 'the sequences are ahead of all rows')
  },
}

export const indexes: Check = {
  name: 'indexes',
  async run(examined) {
    const found = await driftOf(examined)
    if (!found) return [ok('not compared: migrations are pending')]
    return orElse(found.filter(ofIndexes).map(finding), 'all indexes exist and are valid')
  },
}
