-- The bodies of functions are read where they are called, on the caller's search path: every function in them is
-- named with its schema, so that nobody who may create functions there puts one of the same name in its place.
create or replace function "{schema}"."{prefix}_merge_patch"(target jsonb, patch jsonb) returns jsonb
language plpgsql immutable parallel safe as $nvent$
declare
  member record;
  merged jsonb := case when pg_catalog.jsonb_typeof(target) = 'object' then target else '{}' end;
begin
  if patch is null then
    return target;
  end if;
  if pg_catalog.jsonb_typeof(patch) <> 'object' then
    return patch;
  end if;
  for member in select key, value from pg_catalog.jsonb_each(patch) loop
    if pg_catalog.jsonb_typeof(member.value) = 'null' then
      merged := merged - member.key;
    elsif pg_catalog.jsonb_typeof(member.value) = 'object' then
      merged := merged || pg_catalog.jsonb_build_object(member.key, "{schema}"."{prefix}_merge_patch"(merged -> member.key, member.value));
    else
      merged := merged || pg_catalog.jsonb_build_object(member.key, member.value);
    end if;
  end loop;
  return merged;
end
$nvent$;

do $nvent$
declare
  counted record;
begin
  for counted in
    select name, '{prefix}_count_' || name as function_name, coalesce(quote_ident(key), quote_literal('')) as key
    from (values ('flow_runs', 'flow_name'), ('flows', null), ('triggers', null), ('scheduler_jobs', null), ('index', 'key')) as tables (name, key)
  loop
    execute format(
      'create or replace function %I.%I() returns trigger language plpgsql as %L',
      '{schema}', counted.function_name, format(
        'begin
  if tg_op = ''TRUNCATE'' then
    delete from %1$s where table_name = %2$L;
  elsif tg_op = ''INSERT'' then
    insert into %1$s (tenant_id, table_name, key, entries)
    select tenant_id, %2$L, %3$s, pg_catalog.count(*) from changed group by 1, 2, 3;
  else
    insert into %1$s (tenant_id, table_name, key, entries)
    select tenant_id, %2$L, %3$s, -pg_catalog.count(*) from changed group by 1, 2, 3;
  end if;
  return null;
end',
        '"{schema}"."{prefix}_entry_counts"', counted.name, counted.key
      )
    );
  end loop;
end
$nvent$;

-- down
-- The functions do what they did before: they stay as they are.
