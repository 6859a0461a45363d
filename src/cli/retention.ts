import type { RetentionReport, RetentionRule } from '../runtime/core/types/index'
import { storeCommand, withStore } from './command'
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
  },
  run: ({ args, output, settings }) => withStore(settings, async (store) => {
    const report = await store.admin.retention.run()
    output.result(report, describe(report))
    return report.busy ? EXIT.findings : EXIT.done
  }, { retention: rulesOf(args, settings), retentionInterval: 0 }),
})

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

function describe({ busy, events, rules }: RetentionReport): string[] {
  return [
    ...rules.map(({ subject, action, events }) => `${subject}: ${events} events ${action === 'drop' ? 'deleted' : 'archived'}`),
    busy ? 'another instance is at it: this run stopped' : `${events} events in all`,
  ]
}
