import type { MigrationPlan } from '../runtime/core/schema/types'
import { migrationSql, plan } from '../runtime/core/schema/migrationPlan'
import { storeCommand, withDatabase } from './command'

export const sqlCommand = storeCommand({
  name: 'sql',
  description: 'Print the SQL of the migrations, for reviews and other migration tools',
  onlyLooks: true,
  args: {
    pending: { type: 'boolean', description: 'Only what is pending on the database' },
  },
  async run({ args, output, settings }) {
    const from: Pick<MigrationPlan, 'version' | 'pending'> = args.pending
      ? await withDatabase(settings, db => plan(db, settings.names))
      : { version: 0, pending: [] }
    const sql = migrationSql(settings.names, from.version, from.pending[0]?.done)
    output.result({ version: from.version, sql }, sql === '' ? [] : [sql])
  },
})
