import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isStoreError } from '../../../src/runtime/core/index'
import { textArguments, wrongNames } from './calls'
import { expectCode, expectRefused, unique, wrong } from './context'
import type { Context, Use } from './context'
import { lenientArguments, oddArguments, unreadable } from './oddArguments'
import { megabyte, oddTexts } from './oddTexts'
import { oddValuesSuite } from './oddValues'

/** One line for each table of the store: its name and what its rows add up to. Counts are left out: +1 and -1 are two rows. */
async function checksum({ sql, info }: Context): Promise<unknown[]> {
  const tables = await sql<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'r' and c.relname not like '%entry\\_counts' order by 1`, [info.schema])
  return sql(tables.map(({ name }) =>
    `select '${name.replaceAll('\'', '\'\'')}' as name, md5(string_agg(md5(r::text), '' order by md5(r::text))) as rows from ${name} r`).join(' union all '))
}

/** Something in every table, so that what damages any of them is noticed. */
async function fill({ store, P }: Context): Promise<void> {
  const metadata = { a: 1, text: 'x', list: [1], nil: null, status: 'running', stats: { total: 1 }, config: { a: 1 } }
  for (const subject of ['odd:1', 'single', `${P}:flow:run:1`, `${P}:trigger:event:1`]) await store.stream.append(subject, { type: 'sentinel', data: subject })
  for (const key of ['odd', `${P}:flow:runs:1`, `${P}:flows`, `${P}:triggers`, `${P}:scheduler:jobs`]) await store.index.add(key, 'sentinel', 1, metadata)
  for (const [key, value] of Object.entries({ 'odd': 1, 'odd text': 'x', 'odd object': {} })) await store.kv.set(key, value)
  await store.dedupe.mark('odd sentinel', 60_000_000)
  await store.rules.upsert({ id: 'odd sentinel', when: { type: 'none' }, threshold: 1, windowMs: 1, result: 1 })
}

function failing(): never {
  throw new TypeError('boom')
}

export function oddInputSuite(use: Use): void {
  let before: unknown[]
  const prototype = Reflect.ownKeys(Object.prototype)
  beforeAll(async () => {
    await fill(use())
    before = await checksum(use())
    expect(before.length).toBeGreaterThanOrEqual(12)
  })
  afterAll(() => {
    expect(Reflect.ownKeys(Object.prototype)).toStrictEqual(prototype)
  })

  const untouched = async () => expect(await checksum(use())).toStrictEqual(before)

  describe('names', () => {
    const values: [what: string, value: unknown][] = [
      ...wrongNames,
      ['a symbol', Symbol('s')], ['a function', () => 'a'], ['a boxed text', Object('text')], ['NaN', Number.NaN], ['true', true], ['a Date', new Date()],
      ['an object that can be made a text', { toString: () => 'text' }], ['1 MB', megabyte], ['only \\u0000', '\0'], ['nothing but half an emoji', '\uD83D'],
    ]

    it.each(textArguments)('$call refuses a wrong $argument by name, and changes nothing', async ({ argument, run }) => {
      for (const [, value] of values) await expectRefused(() => run(use().store, value), argument)
      await untouched()
    })

    it.each(textArguments)('$call takes any odd text as $argument, and changes nothing else', async ({ call, argument, run }) => {
      const context = use()
      for (const text of oddTexts) {
        await run(context.store, text).catch((error: unknown) => {
          // On nothing there is nothing to count or to wait for; and some fields of odd names can't be counted.
          expect(isStoreError(error) && error.code, `${call}(${JSON.stringify(text)}): ${String(error)}`).toBeOneOf(['NOT_FOUND', 'INVALID_VALUE'])
          if (isStoreError(error) && error.code === 'INVALID_VALUE') expect(error.message).toContain(argument.split('.').at(-1))
        })
      }
      await forget(context)
      await untouched()
    })
  })

  describe('wrong types', () => {
    it.each(oddArguments)('$call refuses a wrong $argument by name, and changes nothing', async ({ argument, values, run }) => {
      for (const value of values) await expectRefused(() => run(use().store, wrong(value)), argument)
      await untouched()
    })

    // An object in place of a callback is taken for options; of a value JSON asks less than all this.
    it.each(oddArguments.filter(({ argument }) => !['onEvent', 'value', 'rule.result', 'rule.otherwise'].includes(argument)))('$call refuses what can\'t be looked at as $argument, and changes nothing', async ({ run }) => {
      for (const odd of unreadable) await expectCode(() => run(use().store, wrong(odd())), 'INVALID_VALUE')
      await untouched()
    })

    it('arrays with holes are refused at the first one', async () => {
      const { store } = use()
      // As long as an array can be: nobody may go through all of it.
      const hollow = wrong(Array(2 ** 32 - 1))
      for (const [call, path] of [
        [() => store.kv.getMany(hollow), 'keys.0'], [() => store.kv.setMany(hollow), 'entries.0'], [() => store.index.getMany('odd', hollow), 'ids.0'],
        [() => store.stream.appendMany('odd:1', hollow), 'events.0'], [() => store.stream.appendAll(hollow), 'entries.0'],
        [() => store.stream.appendMany('odd:1', [], { eventIds: hollow }), 'options.eventIds.0'], [() => store.stream.read('odd:1', { types: hollow }), 'options.types.0'],
        [() => store.index.read('odd', { filter: { status: hollow } }), 'filter.status.0'],
      ] as const) await expectRefused(call, path)
      await untouched()
    })

    it('the values of a query of one\'s own are sent, or refused by name', async () => {
      const { store } = use()
      const values = [...unreadable.map(make => make()), Symbol('s'), () => 1, 1n, new Map(), { toJSON: failing }]
      for (const value of values) {
        const outcome = await store.transaction(tx => tx.query('select $1::text', [value])).catch((error: unknown) => error)
        if (outcome instanceof Error) expect(isStoreError(outcome), `${outcome.name}: ${outcome.message}`).toBe(true)
      }
      await untouched()
    })

    it.each(lenientArguments)('$call refuses $argument by name, or takes it as not given', async ({ argument, values, run }) => {
      for (const value of values) {
        const result = await run(use().store, wrong(value)).catch((error: { message: string }) => error.message)
        expect(result).toStrictEqual(typeof result === 'string' ? expect.stringContaining(argument) : await run(use().store, wrong(undefined)))
      }
      await untouched()
    })

    it('getters and proxies that throw are an error of the call, and change nothing', async () => {
      const { store } = use()
      const boom = () => {
        throw new Error('boom')
      }
      const bomb = () => Object.defineProperty({ type: 'a' }, 'data', { enumerable: true, get: boom })
      const proxy = () => new Proxy({ type: 'a' }, { ownKeys: boom })
      for (const odd of [bomb, proxy]) {
        for (const call of [
          () => store.stream.append('odd:1', wrong(odd())),
          () => store.stream.append('odd:1', { type: 'a', data: { deep: odd() } }),
          () => store.index.add('odd', 'sentinel', 1, wrong(odd())),
          () => store.index.update('odd', 'sentinel', { a: [odd()] }),
          () => store.kv.set('odd', odd()),
        ]) {
          await expect(call()).rejects.toThrow('boom')
        }
      }
      await untouched()
    })
  })

  describe('odd values', () => {
    oddValuesSuite(use)

    it('have changed nothing else', async () => {
      await forget(use())
      await untouched()
    })
  })

  it('a subject that names our own tables is only a name', async () => {
    const context = use()
    for (const name of ['events', 'events_default', 'kv', 'heads', 'index', 'flows', 'stream', 'default']) {
      const subject = `${name}:${unique()}`
      const event = await context.store.stream.append(subject, { type: 'a' })
      expect(await context.store.stream.read(subject)).toStrictEqual([event])
      await context.store.stream.delete(subject)
    }
    await dropStreams(context)
    await untouched()
  })
}

/** Takes away what the calls of a test have made, so that only damage is left to see. */
async function forget(context: Context): Promise<void> {
  const { sql, table } = context
  await sql(`delete from ${table('events')} where type <> 'sentinel'`)
  await sql(`delete from ${table('flow_events')} where type <> 'sentinel'`)
  await sql(`delete from ${table('trigger_events')} where type <> 'sentinel'`)
  await sql(`delete from ${table('heads')} where subject not in (select subject from ${table('events')})
    and subject not like '%:flow:run:1' and subject not like '%:trigger:event:1'`)
  await sql(`update ${table('heads')} set version = 1 where subject = 'odd:1'`)
  await sql(`update ${table('heads')} h set last_ts = e.ts from ${table('events')} e where e.subject = h.subject`)
  for (const [name, id] of Object.entries({ index: 'id', flow_runs: 'run_id', flows: 'flow_name', triggers: 'trigger_name', scheduler_jobs: 'job_id' })) {
    await sql(`delete from ${table(name)} where ${id} <> 'sentinel'${name === 'index' ? ` or key <> 'odd'` : ''}`)
  }
  await sql(`delete from ${table('kv')} where key not like 'odd%'`)
  await sql(`delete from ${table('rules')} where id <> 'odd sentinel'`)
  await sql(`delete from ${table('dedupe')} where key <> 'odd sentinel'`)
  await dropStreams(context)
}

/** Drops the tables of subject types that only odd names have used. */
async function dropStreams({ sql, info, table }: Context): Promise<void> {
  const rows = await sql<{ relname: string }>(
    `select c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where n.nspname = $1 and c.relkind = 'r' and starts_with(c.relname, $2)`, [info.schema, `${info.prefix}_stream_`])
  const made = rows.map(({ relname }) => relname.slice(info.prefix.length + 1)).filter(name => name !== 'stream_odd')
  for (const name of made) await sql(`drop table ${table(name)}`)
  if (made.length > 0) await sql(`delete from ${table('heads')} where subject not in (select subject from ${table('events')})
    and subject not like '%:flow:run:1' and subject not like '%:trigger:event:1'`)
}
