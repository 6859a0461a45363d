import { describe, expect, it } from 'vitest'
import { migrations } from '../../src/runtime/core/schema/api'
import { statementsOf } from '../../src/runtime/core/schema/statements'

const names = { schema: 'app', prefix: 'it\'s' }
const of = (up: string) => statementsOf({ version: 7, name: 'seven', checksum: '', transaction: false, up }, names)

describe('the statements of a migration without a transaction', () => {
  it('end at semicolons that stand outside of strings, names, bodies and comments', () => {
    const sql = `-- no-transaction; really
      insert into "a;b" values ('x;y''; z'); /* none; here */
      do $nvent$ begin perform 1; end $nvent$;
      select $1$;$1$ -- the last; one`
    expect(of(sql).map(({ text }) => text)).toEqual([
      'insert into "a;b" values (\'x;y\'\'; z\')', 'do $nvent$ begin perform 1; end $nvent$', 'select $1$;$1$',
    ])
  })

  it('are plain, batched, or outside of any transaction', () => {
    const sql = `update "a" set b = 1;
      -- batched
      delete from "a" where b = 'concurrently';
      create unique index concurrently if not exists "{prefix}_""x" on "{schema}"."a" (b);
      drop index concurrently if exists "{schema}"."y";
      reindex table "a";
      vacuum "a";`
    expect(of(sql).map(({ kind, index }) => [kind, index])).toEqual([
      ['plain', undefined], ['batched', undefined], ['outside', 'it\'s_"x'], ['outside', undefined], ['outside', undefined], ['outside', undefined],
    ])
  })

  it('are refused when a crash could leave them half done for good', () => {
    expect(() => of('drop index concurrently "a"')).toThrow(/migration 7 \(seven\).*if exists/)
    expect(() => of('create index concurrently on "a" (b)')).toThrow(/name in quotes/)
  })

  it('can be taken apart in every released migration that asks for it', () => {
    for (const migration of migrations.filter(({ transaction }) => transaction === false)) expect(statementsOf(migration, names)).not.toEqual([])
  })
})
