import type { FieldSpec, IndexSpec, StreamSpec } from './types'

const text = (column: string, indexed?: boolean): FieldSpec => ({ column, type: 'text', ...(indexed && { indexed }) })
const integer = (column: string): FieldSpec => ({ column, type: 'integer' })
const time = (column: string): FieldSpec => ({ column, type: 'time' })
const object = (column: string): FieldSpec => ({ column, type: 'object' })
const json = (column: string): FieldSpec => ({ column, type: 'json' })

const meta: FieldSpec = { column: 'meta', type: 'json', sparse: true }

const stepFields = {
  stepName: text('step_name'),
  stepId: text('step_id'),
  attempt: integer('attempt'),
  data: json('data'),
}

/** In order of precedence; `{P}` stands for the subject prefix. The last spec of each kind matches every subject. */
export const streamSpecs: StreamSpec[] = [
  {
    kind: 'stream',
    table: 'flow_events',
    subject: '{P}:flow:run:{run_id}',
    rest: 'rest',
    fields: {
      runId: { column: 'run_id', type: 'key' },
      flowName: text('flow_name', true),
      ...stepFields,
      meta,
    },
  },
  {
    kind: 'stream',
    table: 'trigger_events',
    subject: '{P}:trigger:event:{trigger_name}',
    rest: 'rest',
    fields: {
      triggerName: { column: 'trigger_name', type: 'key' },
      data: json('data'),
      meta,
    },
  },
  {
    kind: 'stream',
    table: 'events',
    subject: '{subject}',
    rest: 'rest',
    partition: 'subject_prefix',
    fields: {
      runId: text('run_id', true),
      flowName: text('flow_name'),
      ...stepFields,
      meta,
    },
  },
]

export const indexSpecs: IndexSpec[] = [
  {
    kind: 'index',
    table: 'flow_runs',
    subject: '{P}:flow:runs:{flow_name}',
    id: 'run_id',
    rest: 'rest',
    fields: {
      status: text('status', true),
      startedAt: time('started_at'),
      completedAt: time('completed_at'),
      stepCount: integer('step_count'),
      completedSteps: integer('completed_steps'),
      lastActivityAt: time('last_activity_at'),
      emittedEvents: object('emitted_events'),
      awaitingSteps: object('awaiting_steps'),
    },
  },
  {
    kind: 'index',
    table: 'flows',
    subject: '{P}:flows',
    id: 'flow_name',
    rest: 'rest',
    fields: {
      'displayName': text('display_name'),
      'flowVersion': integer('flow_version'),
      'registeredAt': time('registered_at'),
      'lastRunAt': time('last_run_at'),
      'stats.total': integer('stats_total'),
      'stats.success': integer('stats_success'),
      'stats.failure': integer('stats_failure'),
      'stats.running': integer('stats_running'),
      'stats.awaiting': integer('stats_awaiting'),
      'stats.cancel': integer('stats_cancel'),
    },
  },
  {
    kind: 'index',
    table: 'triggers',
    subject: '{P}:triggers',
    id: 'trigger_name',
    rest: 'rest',
    fields: {
      'type': text('type'),
      'status': text('status'),
      'scope': text('scope'),
      'source': text('source'),
      'displayName': text('display_name'),
      'description': text('description'),
      'registeredAt': time('registered_at'),
      'lastActivityAt': time('last_activity_at'),
      'stats.totalFires': integer('stats_total_fires'),
      'stats.lastFiredAt': time('stats_last_fired_at'),
      'stats.totalFlowsStarted': integer('stats_total_flows_started'),
      'stats.activeSubscribers': integer('stats_active_subscribers'),
      'subscriptions': object('subscriptions'),
      'webhook': object('webhook'),
      'schedule': object('schedule'),
      'config': object('config'),
    },
  },
  {
    kind: 'index',
    table: 'scheduler_jobs',
    subject: '{P}:scheduler:jobs',
    id: 'job_id',
    rest: 'rest',
    fields: {
      name: text('name'),
      jobName: text('job_name'),
      type: text('type'),
      cron: text('cron'),
      interval: integer('interval'),
      executeAt: time('execute_at'),
      timezone: text('timezone'),
      enabled: { column: 'enabled', type: 'boolean' },
      schedule: text('schedule'),
      scheduledAt: time('scheduled_at'),
      lastRunAt: time('last_run_at'),
      nextRunAt: time('next_run_at'),
      status: text('status'),
      metadata: object('metadata'),
      config: object('config'),
    },
  },
  {
    kind: 'index',
    table: 'index',
    subject: '{key}',
    id: 'id',
    rest: 'metadata',
    fields: {},
  },
]
