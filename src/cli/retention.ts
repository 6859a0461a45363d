import type { RetentionReport, RetentionRule } from '../runtime/core/jobs/retention/types'
import type { StoreAdmin } from '../runtime/core/admin/types'
import { isMeant, visible } from './output'
import { storeCommand, withStore } from './command'
import type { Output } from './output'
import type { Settings } from './settings'
import { EXIT, UsageError, wholeNumber } from './usage'

interface RuleFlags {
  'subject'?: string
  'max-age'?: string
  'max-count'?: string
  'archive'?: boolean
}

export const retentionCommand = storeCommand({
  name: 'retention',
  description: 'Take out the events that have no more room: what the app\'s config says, or one rule given here',
  args: {
    'subject': { type: 'string', description: 'Subjects of the rule: * any run, ? one character', valueHint: 'glob' },
    'max-age': { type: 'string', description: 'Events older than this go: 30d, 12h …', valueHint: 'age' },
    'max-count': { type: 'string', description: 'Of every subject the newest so many events stay', valueHint: 'n' },
    'archive': { type: 'boolean', description: 'Move them to the archive instead of deleting them' },
    'dry-run': { type: 'boolean', description: 'Only count what would go' },
    'yes': { type: 'boolean', description: 'Don\'t ask' },
  },
  run: ({ args, output, settings }) => {
    const retention = rulesOf(args, settings)
    return withStore(settings, async ({ admin }) => {
      const dryRun = args['dry-run'] ?? false
      if (!dryRun && !args.yes && retention.some(({ action }) => action === 'drop') && !await isWanted(output, admin)) {
        output.log.info('nothing was changed')
        return EXIT.error
      }
      const report = await admin.retention.run({ dryRun })
      output.result(report, describe(report, dryRun))
      return report.busy ? EXIT.findings : EXIT.done
    }, { retention, retentionInterval: 0 })
  },
})

async function isWanted(output: Output, { retention }: StoreAdmin): Promise<boolean> {
  const question = async () => `${describe(await retention.run({ dryRun: true }), true).join('\n')}\nGo on? What is deleted is gone.`
  return isMeant(output, 'retention', process.stdin.isTTY ? await question() : '')
}

function rulesOf(flags: RuleFlags, { retention }: Settings): RetentionRule[] {
  const { subject, 'max-age': maxAge, 'max-count': maxCount, archive = false } = flags
  if (subject !== undefined) {
    return [{
      subject, action: archive ? 'archive' : 'drop', ...maxAge !== undefined && { maxAge },
      ...maxCount !== undefined && { maxCount: wholeNumber('--max-count', maxCount, 1) },
    }]
  }
  if (maxAge !== undefined || maxCount !== undefined || archive) throw new UsageError('--max-age, --max-count and --archive belong to a rule: give its --subject')
  if (retention.length === 0) throw new UsageError('nothing to do: the app has no `retention`; give --subject and --max-age or --max-count')
  return retention
}

function describe({ busy, events, rules }: RetentionReport, dryRun: boolean): string[] {
  const done = { drop: dryRun ? 'would be deleted' : 'deleted', archive: dryRun ? 'would be archived' : 'archived' }
  return [
    ...rules.map(({ subject, action, events }) => `${visible(subject)}: ${events} events ${done[action]}`),
    busy ? 'another instance is at it: this run stopped' : `${events} events in all`,
  ]
}
