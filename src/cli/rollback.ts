import { currentVersion, rollback } from '../runtime/core/schema/migrate'
import { isMeant } from './output'
import { storeCommand, withDatabase } from './command'
import { describeTarget } from './settings'
import { EXIT, wholeNumber } from './usage'

export const rollbackCommand = storeCommand({
  name: 'rollback',
  description: 'Take migrations back; --to 0 drops every table of the prefix with all data',
  args: {
    to: { type: 'string', required: true, description: 'Version to go back to', valueHint: 'version' },
    yes: { type: 'boolean', description: 'Don\'t ask' },
  },
  run: ({ args, output, settings }) => {
    const to = wholeNumber('--to', args.to)
    return withDatabase({ ...settings, database: settings.migrationDatabase }, async (db, target) => {
      const before = await currentVersion(db, settings.names)
      if (before > to && !args.yes && !await isMeant(output, 'rollback', `Go back from version ${before} to ${to} on ${describeTarget(target.database, target.source, settings.names)}?${to === 0 ? ' Every table is dropped, with all data.' : ''}`)) {
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
