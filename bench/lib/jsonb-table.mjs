import pg from 'pg'

// The design that flat tables are compared with: one table, everything in one jsonb column, a recursive deep merge in
// PL/pgSQL for every change. Its best form is measured: one round trip, prepared statements, no other index.
const SCHEMA = `
create function deep_merge(target jsonb, source jsonb) returns jsonb as $$
declare
  name text;
  part jsonb;
begin
  if jsonb_typeof(source) <> 'object' or jsonb_typeof(target) <> 'object' then
    return source;
  end if;
  for name, part in select key, value from jsonb_each(source) loop
    if part = 'null'::jsonb then
      target := target - name;
    elsif jsonb_typeof(target -> name) = 'object' and jsonb_typeof(part) = 'object' then
      target := jsonb_set(target, array[name], deep_merge(target -> name, part));
    else
      target := jsonb_set(target, array[name], part);
    end if;
  end loop;
  return target;
end;
$$ language plpgsql immutable;
create table entries (
  key text not null,
  id text not null,
  score double precision not null,
  data jsonb not null,
  version bigint not null default 0,
  updated_at timestamptz not null default now(),
  primary key (key, id)
) with (fillfactor = 85)`

const statements = {
  add: `insert into entries (key, id, score, data) values ($1, $2, $3, $4)
    on conflict (key, id) do update set score = excluded.score, data = excluded.data, version = 0`,
  update: `update entries set data = deep_merge(data, $3::jsonb), version = version + 1, updated_at = now()
    where key = $1 and id = $2`,
}

/** The part of the index API that the comparison needs, on that table. */
export async function openJsonbTable(url, poolSize) {
  const pool = new pg.Pool({ connectionString: url, max: poolSize })
  await pool.query(SCHEMA)
  const send = (name, values) => pool.query({ name, text: statements[name], values })
  return {
    index: {
      add: (key, id, score, data) => send('add', [key, id, score, JSON.stringify(data)]),
      update: async (key, id, patch) => (await send('update', [key, id, JSON.stringify(patch)])).rowCount > 0,
    },
    close: () => pool.end(),
  }
}
