import { describe, expect, it } from 'vitest'
import type { TransactionApi } from '../../../src/runtime/core/index'
import { eventually } from '../../setup/eventually'
import { expectCode, failureOf, unique, quote } from './context'
import type { Use } from './context'

/** What would end the transaction it is in, or begin another one. */
const ENDING = [
  'commit', 'COMMIT;', 'commit work', 'commit and chain', 'commit transaction and no chain', 'end', 'End Transaction', 'rollback', 'rollback work',
  'rollback and chain', 'abort', 'ABORT TRANSACTION', 'begin', 'begin isolation level serializable', 'start transaction', 'Start  Transaction read only',
  'prepare transaction \'x\'', 'commit prepared \'x\'', 'rollback prepared \'x\'',
  ' \n\t commit', '-- to be sure\ncommit', '-- to be sure\r commit', '/* a /* b */ c */ commit', '/**/-- \n/***/;;  ; commit ;', 'prepare/* */transaction \'x\'',
  'rollback -- to savepoint a', 'rollback/* to a */',
]

/** More than one statement: all of them would be carried out, and only one answer would come. */
const SEVERAL = ['select 1; commit', 'select 1; commit; begin', 'commit; select 1', 'select \';\'; rollback; select 1', 'select 1; select 2']

/** What is not about the transaction, though it looks like it. */
const HARMLESS = [
  'select \'commit\' as commit', 'select 1 as "rollback" -- commit', '/* commit */ select 1', 'select $$; commit;$$', '(select 1)', 'values (1)', ';;select 1;', ' ; -- nothing',
  'set local statement_timeout = 10000', 'set constraints all deferred', 'select 1;', 'table pg_catalog.pg_database',
]

const COPIES = ['copy %s from stdin', 'COPY %s TO STDOUT', 'copy (select 1) to stdout (format csv)', 'copy %s from/**/stdin with csv', '/* */ copy binary %s from stdin']

export function transactionSqlSuite(use: Use): void {
  describe('the caller\'s own SQL in a transaction', () => {
    it.each([...ENDING, ...SEVERAL])('%j is refused, keeps nothing, and ends what follows', async (text) => {
      const { store } = use()
      const [before, after, outside] = [unique(), unique(), unique()]
      const later: unknown[] = []
      const run = (work: (tx: TransactionApi) => Promise<unknown>) => failureOf(() => store.transaction(async (tx) => {
        await tx.kv.set(before, 1)
        return work(tx)
      }))
      expect(await run(async tx => tx.query(text)), 'awaited').toMatchObject({ name: 'StoreError', code: 'INVALID_CALL' })
      expect(await run(async tx => void tx.query(text).catch(() => {})), 'neither awaited nor heard').toMatchObject({ code: 'INVALID_CALL' })
      expect(await run(async (tx) => {
        await tx.query(text).catch(() => {})
        later.push(await failureOf(() => tx.kv.set(after, 1)), await failureOf(() => tx.query('select 1')), await failureOf(() => tx.stream.delete(after)))
      }), 'caught').toMatchObject({ code: 'INVALID_CALL' })
      expect(later).toMatchObject(Array(3).fill({ code: 'INVALID_CALL' }))
      await store.transaction(tx => tx.kv.set(outside, 1))
      expect([await store.kv.get(before), await store.kv.get(after), await store.kv.get(outside)]).toStrictEqual([null, null, 1])
    })

    it.each(HARMLESS)('%j is sent', async (text) => {
      const { store } = use()
      const key = unique()
      await store.transaction(async (tx) => {
        await tx.query(text)
        await tx.kv.set(key, 1)
      })
      expect(await store.kv.get(key)).toBe(1)
    })

    it.each(['do $$ begin commit; end $$', 'do $$ begin rollback; end $$', 'call %s()', 'select %s_f()'])('what ends a transaction inside of %s is an error that keeps nothing', async (text) => {
      const { store, info } = use()
      const [key, name] = [unique(), `${quote(info.schema)}.p_${unique().replace(/\W/g, '_')}`]
      await store.transaction(async (tx) => {
        await tx.query(`create procedure ${name}() language plpgsql as $$ begin commit; end $$`)
        await tx.query(`create function ${name}_f() returns int language plpgsql as $$ begin commit; return 1; end $$`)
      })
      expect(await failureOf(() => store.transaction(async (tx) => {
        await tx.kv.set(key, 1)
        await tx.query(text.replace('%s', name)).catch(() => {})
      }))).toMatchObject({ name: 'StoreError' })
      expect(await store.kv.get(key)).toBeNull()
    })

    it('savepoints are the caller\'s to use', async () => {
      const { store } = use()
      const [kept, undone] = [unique(), unique()]
      await store.transaction(async (tx) => {
        await tx.kv.set(kept, 1)
        for (const back of ['rollback to a', 'Rollback Work To Savepoint a', '/* */ rollback -- \n transaction to a']) {
          await tx.query('savepoint a')
          await tx.kv.set(undone, 1)
          await failureOf(() => tx.query('select 1 / 0'))
          await tx.query(back)
          await tx.query('release savepoint a')
        }
      })
      expect([await store.kv.get(kept), await store.kv.get(undone)]).toStrictEqual([1, null])
    })

    it('a savepoint that is not there is an error that keeps nothing', async () => {
      const { store } = use()
      const key = unique()
      for (const text of ['rollback to nowhere', 'release nowhere']) {
        expect(await failureOf(() => store.transaction(async (tx) => {
          await tx.kv.set(key, 1)
          await tx.query(text).catch(() => {})
        })), text).toMatchObject({ name: 'StoreError' })
      }
      expect(await store.kv.get(key)).toBeNull()
    })

    it.each(COPIES)('%j is refused at once, and what follows goes on', async (text) => {
      const { store, table } = use()
      await expectCode(() => store.transaction(tx => tx.query(text.replace('%s', table('kv')))), 'INVALID_CALL')
      await expectCode(() => store.transaction(tx => store.with(tx).query(text.replace('%s', table('kv')))), 'INVALID_CALL')
      const { rows } = await store.transaction(tx => tx.query('select 1 as n'))
      expect(rows).toStrictEqual([{ n: 1 }])
    })

    it.each(['commit', '-- x\nrollback', 'begin', 'prepare transaction \'x\''])('%j is refused on a transaction of the caller\'s, which goes on', async (text) => {
      const { store, table } = use()
      const key = unique()
      const client = { sent: [] as string[], query: async (sent: string) => (client.sent.push(sent), { rows: [], rowCount: 0 }) }
      await expectCode(() => store.with(client).query(text), 'INVALID_CALL')
      expect(client.sent).toStrictEqual([])
      await store.with(client).query(`select 1 from ${table('kv')} where key = $1`, [key])
      expect(client.sent).toHaveLength(1)
    })
  })

  describe('what the caller\'s own SQL sets', () => {
    const SETTINGS = 'select pg_catalog.current_setting(\'statement_timeout\') as t, pg_catalog.current_setting(\'search_path\') as p, pg_catalog.current_setting(\'synchronous_commit\') as s, current_user as u'

    async function sessions(): Promise<unknown[]> {
      const { store, info } = use()
      const read = async () => (await store.transaction(tx => tx.query(SETTINGS))).rows[0]
      return Promise.all(Array.from({ length: info.driver === 'pglite' ? 1 : 10 }, read))
    }

    it.each([
      'set statement_timeout = 12345', 'SET SESSION statement_timeout to 12345', '/* */ set search_path = pg_catalog', 'set synchronous_commit = local', 'set time zone 3',
      'select set_config(\'statement_timeout\', \'12345\', false)', 'select set_config(\'statement_timeout\', \'1\', true), set_config(\'statement_timeout\', \'12345\', false)',
      'select set_config(\'search_path\', coalesce(null::boolean, true)::text, false)', 'select set_config(\'statement_timeout\', replace(\'12345\', \'(, true)\', \'\'), false)',
      'select "set_config"(\'statement_timeout\', \'12345, true)\' :: char(5), false)', 'update pg_settings set setting = \'12345\' where name = \'statement_timeout\'',
      'update pg_catalog.pg_settings as s set setting = \'12345\' where s.name = \'statement_timeout\'',
      'do $$ begin set statement_timeout = 12345; end $$', 'set role pg_monitor', 'set session authorization pg_monitor', 'reset statement_timeout',
    ])('%j holds in its transaction and for no later caller', async (text) => {
      const { store } = use()
      const [key, before] = [unique(), await sessions()]
      const inside = await store.transaction(async (tx) => {
        await tx.kv.set(key, 1)
        await tx.query(text)
        return (await tx.query(SETTINGS)).rows[0]
      })
      if (!/zone|reset/.test(text)) expect(before).not.toContainEqual(inside)
      expect(await sessions()).toStrictEqual(before)
      expect(await store.kv.get(key)).toBe(1)
      await expect(store.transaction(async (tx) => {
        await tx.query(text)
        throw new Error('rolled back')
      })).rejects.toThrow('rolled back')
      expect(await sessions()).toStrictEqual(before)
    })

    it.each([
      ['temporary tables', 'create temp table %s (a int)'], ['temporary tables from rows', 'select 1 as a into temporary %s'],
      ['temporary tables by their schema', 'select 1 as a into pg_temp.%s'], ['temporary tables that are explained', 'explain analyze create temp table %s as select 1'], ['prepared statements', 'prepare %s as select 1'],
      ['cursors', 'declare %s cursor with hold for select 1'],
    ])('%s are gone for those who come later', async (_, text) => {
      const { store } = use()
      const name = `t_${unique().replace(/\W/g, '_')}`
      const make = (tx: TransactionApi) => tx.query(text.replace('%s', name))
      for (let run = 0; run < 3; run++) {
        await store.transaction(make)
        await expect(store.transaction(async (tx) => {
          await make(tx)
          throw new Error('rolled back')
        })).rejects.toThrow('rolled back')
      }
      const { rows } = await store.transaction(tx => tx.query(`select from pg_catalog.pg_class where relname = $1 union all select from pg_catalog.pg_prepared_statements where name = $1 union all select from pg_catalog.pg_cursors where name = $1`, [name]))
      expect(rows).toHaveLength(0)
    })

    it.each([
      ['a lock of the session', 'select pg_advisory_lock(4711)'], ['a shared one', 'select pg_advisory_lock_shared(47, 11)'], ['one that is tried', 'select pg_try_advisory_lock(4711)'],
      ['a channel', 'listen somewhere'],
    ])('%s is let go by the end of its transaction', async (_, text) => {
      const { store, info } = use()
      // The one connection of an embedded database has no others to keep out, and listens for the store itself.
      if (info.driver === 'pglite') return
      await store.transaction(tx => tx.query(text))
      await expect(store.transaction(async (tx) => {
        await tx.query(text)
        throw new Error('rolled back')
      })).rejects.toThrow('rolled back')
      const left = async () => (await store.transaction(tx => tx.query(`select from pg_catalog.pg_locks where locktype = 'advisory'::text and (classid, objid) in ((0::oid, 4711::oid), (47::oid, 11::oid)) union all select from pg_catalog.pg_listening_channels() as c where c = 'somewhere'::text`))).rows
      // A connection that is closed ends when the server comes to it.
      await eventually(async () => expect(await left()).toHaveLength(0))
      expect((await Promise.all(Array.from({ length: 10 }, left))).flat()).toHaveLength(0)
    })

    it('what is deferred is still checked under the caller\'s settings', async () => {
      const { store, info } = use()
      const name = `${quote(info.schema)}.t_${unique().replace(/\W/g, '_')}`
      await store.transaction(async (tx) => {
        await tx.query(`create table ${name} (a text)`)
        await tx.query(`create function ${name}_f() returns trigger language plpgsql as $$ begin if pg_catalog.current_setting('app.who') <> 'me' then raise exception 'not me'; end if; return null; end $$`)
        await tx.query(`create constraint trigger c after insert on ${name} deferrable initially deferred for each row execute function ${name}_f()`)
      })
      await store.transaction(async (tx) => {
        await tx.query('set app.who = \'me\'')
        await tx.query(`insert into ${name} values ('a')`)
      })
      const { rows } = await store.transaction(tx => tx.query(`select a from ${name}`))
      expect(rows).toStrictEqual([{ a: 'a' }])
    })
  })
}
