/**
 * The schema as the published adapter documents it, word by word: what SQL written for it relies on. `{prefix}`
 * stands where it stands there.
 */
const DOCUMENTED = `
CREATE TABLE {prefix}_flow_events (
  id BIGSERIAL PRIMARY KEY,
  run_id TEXT NOT NULL,
  flow_name TEXT NOT NULL,
  ts BIGINT NOT NULL,
  type TEXT NOT NULL,
  step_name TEXT,
  step_id TEXT,
  attempt INTEGER,
  data JSONB,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);
CREATE INDEX idx_{prefix}_flow_events_run ON {prefix}_flow_events(run_id, ts DESC);
CREATE INDEX idx_{prefix}_flow_events_flow_type ON {prefix}_flow_events(flow_name, type, ts DESC);

CREATE TABLE {prefix}_flow_runs (
  flow_name TEXT NOT NULL,
  run_id TEXT NOT NULL,
  status TEXT NOT NULL DEFAULT 'running',
  started_at BIGINT NOT NULL,
  completed_at BIGINT,
  step_count INTEGER,
  completed_steps INTEGER DEFAULT 0,
  last_activity_at BIGINT,
  emitted_events JSONB DEFAULT '{}'::jsonb,
  awaiting_steps JSONB DEFAULT '{}'::jsonb,
  version INTEGER DEFAULT 0,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
  PRIMARY KEY (flow_name, run_id)
);
CREATE INDEX idx_{prefix}_flow_runs_status ON {prefix}_flow_runs(status)
WHERE status IN ('running', 'awaiting');
CREATE INDEX idx_{prefix}_flow_runs_active ON {prefix}_flow_runs(flow_name, started_at DESC)
WHERE status IN ('running', 'awaiting');

CREATE TABLE {prefix}_flows (
  flow_name TEXT PRIMARY KEY,
  display_name TEXT,
  flow_version INTEGER DEFAULT 1,
  registered_at BIGINT NOT NULL,
  last_run_at BIGINT,
  stats_total INTEGER DEFAULT 0,
  stats_success INTEGER DEFAULT 0,
  stats_failure INTEGER DEFAULT 0,
  stats_running INTEGER DEFAULT 0,
  stats_awaiting INTEGER DEFAULT 0,
  stats_cancel INTEGER DEFAULT 0,
  version INTEGER DEFAULT 0,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);
CREATE INDEX idx_{prefix}_flows_last_run ON {prefix}_flows(last_run_at DESC NULLS LAST);

CREATE TABLE {prefix}_trigger_events (
  id BIGSERIAL PRIMARY KEY,
  trigger_name TEXT NOT NULL,
  ts BIGINT NOT NULL,
  type TEXT NOT NULL,
  data JSONB,
  created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);
CREATE INDEX idx_{prefix}_trigger_events_trigger ON {prefix}_trigger_events(trigger_name, ts DESC);

CREATE TABLE {prefix}_triggers (
  trigger_name TEXT PRIMARY KEY,
  trigger_type TEXT,
  status TEXT DEFAULT 'active',
  registered_at BIGINT NOT NULL,
  stats_total_fires INTEGER DEFAULT 0,
  stats_last_fired_at BIGINT,
  version INTEGER DEFAULT 0,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE TABLE {prefix}_scheduler_jobs (
  job_id TEXT PRIMARY KEY,
  job_name TEXT,
  schedule TEXT,
  scheduled_at BIGINT NOT NULL,
  last_run_at BIGINT,
  next_run_at BIGINT,
  status TEXT DEFAULT 'pending',
  config JSONB,
  version INTEGER DEFAULT 0,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);
CREATE INDEX idx_{prefix}_scheduler_jobs_next_run ON {prefix}_scheduler_jobs(next_run_at)
WHERE status = 'pending';

CREATE TABLE {prefix}_kv (
  key TEXT PRIMARY KEY,
  value JSONB NOT NULL,
  expires_at TIMESTAMP WITH TIME ZONE,
  updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);
CREATE INDEX idx_{prefix}_kv_expires ON {prefix}_kv(expires_at)
WHERE expires_at IS NOT NULL;

CREATE TABLE {prefix}_schema_version (
  version INTEGER PRIMARY KEY,
  applied_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
  description TEXT
);
`

/** What the published adapter leaves in a database, with its migration recorded and some rows of an app. */
const PUBLISHED = `
INSERT INTO {prefix}_schema_version (version, description) VALUES (1, 'initial_schema');
INSERT INTO {prefix}_kv (key, value) VALUES ('theirs', '{"kept": true}');
INSERT INTO {prefix}_flow_events (run_id, flow_name, ts, type) VALUES ('r', 'f', 1, 'flow.start');
CREATE FUNCTION jsonb_deep_merge(target jsonb, source jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS 'select target || source';
`

const fill = (sql: string, prefix: string) => sql.replaceAll('{prefix}', prefix)

export const documentedSchema = (prefix: string): string => fill(DOCUMENTED, prefix)
export const publishedSchema = (prefix: string): string => fill(DOCUMENTED + PUBLISHED, prefix)
