import { describe, expect, it } from 'vitest'
import { renderMigration, versionTable } from '../../src/runtime/core/schema/render'
import { migrations } from '../../src/runtime/core/schema/migrations.gen'
import { namesOf, quoteIdentifier } from '../../src/runtime/core/shared/identifier'

const render = (sql: string, schema: string, prefix = 'p') => renderMigration(sql, { schema, prefix })

describe('a rendered migration', () => {
  it('doubles double quotes inside quoted names', () => {
    expect(render('create table "{schema}"."{prefix}_kv" (id int)', 'my "s"', 'a"b')).toBe('create table "my ""s"""."a""b_kv" (id int)')
  })

  it('doubles single quotes inside literals', () => {
    expect(render('comment on table t is \'{schema} {prefix}\'', 'o\'brien', 'a\'b')).toBe('comment on table t is \'o\'\'brien a\'\'b\'')
  })

  it('doubles both in a quoted name inside a literal', () => {
    expect(render('select nextval(\'"{schema}"."{prefix}_id"\')', 'o\'b"r', 'x')).toBe('select nextval(\'"o\'\'b""r"."x_id"\')')
  })

  it('leaves single quotes in a quoted name alone', () => {
    expect(render('drop table "{schema}"."{prefix}_kv"; select \'{prefix}\'', 'it\'s', 'y\'z')).toBe('drop table "it\'s"."y\'z_kv"; select \'y\'\'z\'')
  })

  it('takes characters that mean something to replace() literally', () => {
    expect(render('"{schema}" \'{schema}\'', '$& $1 $$ $`')).toBe('"$& $1 $$ $`" \'$& $1 $$ $`\'')
  })

  it('does not fill in twice', () => {
    expect(render('"{schema}_{prefix}"', '{prefix}', '{schema}')).toBe('"{prefix}_{schema}"')
  })

  it('leaves everything else as it is', () => {
    const sql = 'select \'{"a": 1}\'::jsonb, \'{}\', array[1] from t where a <> \'it\'\'s\''
    expect(render(sql, 's')).toBe(sql)
  })

  it('drops comment lines, whose apostrophes are no literals', () => {
    expect(render('-- it isn\'t\nselect \'{schema}\';\n-- don\'t\nselect 1', 'o\'b')).toBe('select \'o\'\'b\';\nselect 1')
  })

  it.each(['plain', 'my "schema"', 'o\'brien', '$nvent$', '😀', 'a;b--c'])('of every release leaves no place open for %j', (name) => {
    for (const migration of migrations) {
      for (const script of [migration.up, migration.down ?? '']) {
        expect(renderMigration(script, { schema: name, prefix: name })).not.toMatch(/\{(schema|prefix)\}/)
      }
    }
  })
})

describe('quoted names', () => {
  it('stand for exactly one name', () => {
    expect(quoteIdentifier('a"b')).toBe('"a""b"')
    expect(namesOf('my "s"', 'nq-test').table('kv')).toBe('"my ""s"""."nq-test_kv"')
    expect(namesOf('o\'b', 'p').literal('kv')).toBe('\'"o\'\'b"."p_kv"\'')
    expect(versionTable({ schema: 's', prefix: 'P' })).toBe('"s"."P_schema_version"')
  })
})
