import { plan } from '../runtime/core/schema/migrationPlan'
import { migrate } from '../runtime/core/schema/migrate'
import type { AdoptionPlan, MigrationPlan, MigrationProgress } from '../runtime/core/schema/types'
import { storeCommand, withDatabase } from './command'
import { columns } from './output'
import { describeTarget } from './settings'

// A deployment may start the database at the same time.
const CONNECT_TIMEOUT_MS = 30_000

export const migrateCommand = storeCommand({
  name: 'migrate',
  description: 'Migrate the schema to the newest version',
  makes: true,
  args: {
    'dry-run': { type: 'boolean', description: 'Only print what would be done' },
  },
  run: ({ args, output, settings }) => withDatabase({ ...settings, database: settings.migrationDatabase, onlyLook: args['dry-run'] ?? false, makes: !args['dry-run'] }, async (db, target) => {
    if (args['dry-run']) {
      const found = await plan(db, settings.names, undefined, settings.adoptFrom)
      return output.result({ ...target, ...found }, describePlan(found))
    }
    const { version, applied } = await migrate(db, settings.names, undefined, {
      subjectPrefix: settings.subjectPrefix,
      adoptFrom: settings.adoptFrom,
      onProgress: progress => output.log.info(describeProgress(progress)),
    })
    const change = applied > 0 ? `migrated to version ${version}` : `already at version ${version}`
    output.result({ ...target, version, applied }, [`${change}: ${describeTarget(target.database, target.source, settings.names)}`])
  }, CONNECT_TIMEOUT_MS),
})

/** The state of the schema, and a line for each migration that is pending. */
export function describePlan({ version, latest, pending, adoption }: MigrationPlan): string[] {
  if (adoption) return describeAdoption(adoption)
  if (pending.length === 0) return [`version ${version}, nothing is pending${version > latest ? ` (this build knows ${latest})` : ''}`]
  return [
    `version ${version}, pending:`,
    ...columns(pending.map(migration => [
      `  ${migration.version}`, migration.name, migration.transaction ? 'one transaction' : 'statement by statement',
      [migration.breaking && 'breaking', migration.done > 0 && `cut off after statement ${migration.done}`].filter(Boolean).join(', '),
    ])),
  ]
}

/** What happens to the tables of the published adapter, or why they can't be adopted. */
function describeAdoption({ from, version, tables, misplacedCounters, helper, lost, problems }: AdoptionPlan): string[] {
  return [
    `tables of ${from} at its version ${version} ${problems.length > 0 ? 'can\'t be adopted:' : 'are adopted, every row of them is copied:'}`,
    ...problems.map(problem => `  ${problem}`),
    ...columns(tables.map(({ table, rows, bytes }) => [`  ${table}`, `${rows} rows`, `${Math.ceil(bytes / 1024)} kB`])),
    `  runs with counters among their emitted events, which go back to their columns: ${misplacedCounters}`,
    `  its function jsonb_deep_merge: ${helper}`,
    ...lost.map(what => `  lost: ${what}`),
  ]
}

function describeProgress({ version, name, statement, statements, rows }: MigrationProgress): string {
  return `migration ${version} (${name}), statement ${statement} of ${statements}${rows > 0 ? `: ${rows} rows` : ''}`
}
