import type { RetentionReport, RetentionRule } from '../runtime/core/jobs/retention/types'
import type { StoreAdmin } from '../runtime/core/admin/types'
import { isConfirmed, visible } from './output'
import { storeCommand, withStore } from './command'
import type { Output } from './output'
import type { Settings } from './settings'
import { EXIT, UsageError, integerFlag } from './usage'

interface RuleFlags {
  'subject'?: string
  'max-age'?: string
  'max-count'?: string
  'archive'?: boolean
}

export const retentionCommand = storeCommand({
  name: 'retention',
  description: 'Remove the events that exceed the retention rules: those of the app\'s config, or one given here',
  args: {
    'subject': { type: 'string', description: 'Subjects of the rule: * matches any characters, ? one', valueHint: 'glob' },
    'max-age': { type: 'string', description: 'Remove events older than this: 30d, 12h …', valueHint: 'age' },
    'max-count': { type: 'string', description: 'Keep this many of the newest events of every subject', valueHint: 'n' },
    'archive': { type: 'boolean', description: 'Move them to the archive instead of deleting them' },
    'dry-run': { type: 'boolean', description: 'Only count the events, remove none' },
    'yes': { type: 'boolean', description: 'Don\'t ask for confirmation' },
  },
  run: ({ args, output, settings }) => {
    const retention = rulesOf(args, settings)
    return withStore(settings, async ({ admin }) => {
      const dryRun = args['dry-run'] ?? false
      if (!dryRun && !args.yes && retention.some(({ action }) => action === 'drop') && !await confirmDeletion(output, admin)) {
        output.log.info('nothing was changed')
        return EXIT.error
      }
      const report = await admin.retention.run({ dryRun })
      output.result(report, describe(report, dryRun))
      return report.busy ? EXIT.findings : EXIT.done
    }, { retention, retentionInterval: 0 })
  },
})

async function confirmDeletion(output: Output, { retention }: StoreAdmin): Promise<boolean> {
  const question = async () => `${describe(await retention.run({ dryRun: true }), true).join('\n')}\nContinue? Deleted events can't be restored.`
  return isConfirmed(output, 'retention', process.stdin.isTTY ? await question() : '')
}

function rulesOf(flags: RuleFlags, { retention }: Settings): RetentionRule[] {
  const { subject, 'max-age': maxAge, 'max-count': maxCount, archive = false } = flags
  if (subject !== undefined) {
    return [{
      subject, action: archive ? 'archive' : 'drop', ...maxAge !== undefined && { maxAge },
      ...maxCount !== undefined && { maxCount: integerFlag('--max-count', maxCount, 1) },
    }]
  }
  if (maxAge !== undefined || maxCount !== undefined || archive) throw new UsageError('--max-age, --max-count and --archive are parts of a rule: add --subject')
  if (retention.length === 0) throw new UsageError('nothing to do: the app has no `retention`; add --subject, and --max-age or --max-count')
  return retention
}

function describe({ busy, events, rules }: RetentionReport, dryRun: boolean): string[] {
  const done = { drop: dryRun ? 'would be deleted' : 'deleted', archive: dryRun ? 'would be archived' : 'archived' }
  return [
    ...rules.map(({ subject, action, events }) => `${visible(subject)}: ${events} events ${done[action]}`),
    busy ? 'another instance is running retention: this run stopped' : `${events} events in all`,
  ]
}
