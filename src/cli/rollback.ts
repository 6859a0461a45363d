import { currentVersion, rollback } from '../runtime/core/schema/migrate'
import { isConfirmed } from './output'
import { storeCommand, withDatabase } from './command'
import { describeTarget } from './settings'
import { EXIT, integerFlag } from './usage'

export const rollbackCommand = storeCommand({
  name: 'rollback',
  description: 'Revert migrations; --to 0 drops every table of the prefix with all data',
  args: {
    to: { type: 'string', required: true, description: 'Version to revert to', valueHint: 'version' },
    yes: { type: 'boolean', description: 'Don\'t ask for confirmation' },
  },
  run: ({ args, output, settings }) => {
    const to = integerFlag('--to', args.to)
    return withDatabase({ ...settings, database: settings.migrationDatabase }, async (db, target) => {
      const before = await currentVersion(db, settings.names)
      if (before > to && !args.yes && !await isConfirmed(output, 'rollback', `Revert from version ${before} to ${to} on ${describeTarget(target.database, target.source, settings.names)}?${to === 0 ? ' Every table is dropped, with all data.' : ''}`)) {
        output.log.info('nothing was changed')
        return EXIT.error
      }
      await rollback(db, settings.names, to)
      const version = await currentVersion(db, settings.names)
      output.result({ ...target, before, version }, [before === version ? `already at version ${version}` : `went back from version ${before} to ${version}`])
      return EXIT.done
    })
  },
})
