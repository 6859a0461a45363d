-- Runs that have come to an end, by how they ended and in the order of the index: the failed ones among a million
-- are found at once. Those at work have an index already; a run enters this one once.
create index "idx_{prefix}_flow_runs_ended" on "{schema}"."{prefix}_flow_runs" (tenant_id, flow_name, status, score desc, seq)
  where status not in ('running', 'awaiting');

-- down
drop index "{schema}"."idx_{prefix}_flow_runs_ended";
