-- How many entries an index key has, without counting them: each statement that adds or removes entries leaves one
-- row with the difference. Rows are only ever added, so writers never wait for each other; now and then the rows of
-- a key are summed up into one. Triggers keep it true for SQL of your own as well.
create table "{schema}"."{prefix}_entry_counts" (
  tenant_id text collate "C" not null default '',
  table_name text collate "C" not null,
  key text collate "C" not null,
  id bigint generated always as identity,
  entries bigint not null,
  primary key (tenant_id, table_name, key, id)
);

-- A function for each table, so that each has its plans; a table without key columns has one count.
do $nvent$
declare
  counted record;
begin
  for counted in
    select name, '{prefix}_' || name as table_name, '{prefix}_count_' || name as function_name, coalesce(quote_ident(key), quote_literal('')) as key
    from (values ('flow_runs', 'flow_name'), ('flows', null), ('triggers', null), ('scheduler_jobs', null), ('index', 'key')) as tables (name, key)
  loop
    execute format(
      'create function %I.%I() returns trigger language plpgsql as %L',
      '{schema}', counted.function_name, format(
        'begin
  if tg_op = ''TRUNCATE'' then
    delete from %1$s where table_name = %2$L;
  elsif tg_op = ''INSERT'' then
    insert into %1$s (tenant_id, table_name, key, entries)
    select tenant_id, %2$L, %3$s, count(*) from changed group by 1, 2, 3;
  else
    insert into %1$s (tenant_id, table_name, key, entries)
    select tenant_id, %2$L, %3$s, -count(*) from changed group by 1, 2, 3;
  end if;
  return null;
end',
        '"{schema}"."{prefix}_entry_counts"', counted.name, counted.key
      )
    );
    execute format(
      'create trigger entries_added after insert on %1$I.%2$I referencing new table as changed for each statement execute function %1$I.%3$I()',
      '{schema}', counted.table_name, counted.function_name
    );
    execute format(
      'create trigger entries_removed after delete on %1$I.%2$I referencing old table as changed for each statement execute function %1$I.%3$I()',
      '{schema}', counted.table_name, counted.function_name
    );
    execute format(
      'create trigger entries_truncated after truncate on %1$I.%2$I for each statement execute function %1$I.%3$I()',
      '{schema}', counted.table_name, counted.function_name
    );
    execute format(
      'insert into %1$I.%2$I (tenant_id, table_name, key, entries) select tenant_id, %3$L, %4$s, count(*) from %1$I.%5$I group by 1, 2, 3',
      '{schema}', '{prefix}_entry_counts', counted.name, counted.key, counted.table_name
    );
  end loop;
end
$nvent$;

-- down
do $nvent$
declare
  counted record;
begin
  for counted in
    select '{prefix}_' || name as table_name, '{prefix}_count_' || name as function_name
    from (values ('flow_runs'), ('flows'), ('triggers'), ('scheduler_jobs'), ('index')) as tables (name)
  loop
    execute format('drop trigger entries_added on %I.%I', '{schema}', counted.table_name);
    execute format('drop trigger entries_removed on %I.%I', '{schema}', counted.table_name);
    execute format('drop trigger entries_truncated on %I.%I', '{schema}', counted.table_name);
    execute format('drop function %I.%I()', '{schema}', counted.function_name);
  end loop;
end
$nvent$;
drop table "{schema}"."{prefix}_entry_counts";
