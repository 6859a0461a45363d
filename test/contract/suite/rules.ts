import { describe, expect, it, onTestFinished } from 'vitest'
import type { EventRecord, EventRuleInput, RuleValue, TransactionApi } from '../../../src/runtime/core/index'
import { expectRefused, streamKinds, unique, wrong } from './context'
import type { Use } from './context'

const MINUTE = 60_000

export function rulesSuite(use: Use): void {
  /** Without the rules of other tests. */
  async function only(...rules: EventRuleInput[]) {
    const { store, sql, table } = use()
    await sql(`delete from ${table('rules')}`)
    for (const rule of rules) await store.rules.upsert(rule)
    return store.rules
  }
  const failed = (more: Partial<EventRuleInput> = {}): EventRuleInput =>
    ({ id: 'locked', when: { type: 'login.failed' }, threshold: 3, windowMs: 10 * MINUTE, result: 'lock', ...more })
  const append = async (subject: string, type = 'login.failed', data: unknown = undefined) =>
    ({ ...await use().store.stream.append(subject, { type, data }), subject })
  /** A record of the store as a consumer gets it: its version is known. */
  const record = (event: EventRecord, subject: string) => Object.assign(event, { subject })
  /** Makes the events of a subject older. */
  const age = (subject: string, ms: number, upToVersion = 1e9) => {
    const { sql, table } = use()
    const name = subject.split(':').at(-1)
    return sql(`update ${table('events')} set ts = ts - $2::bigint where subject = $1 and version <= $3::bigint`, [name, ms, upToVersion])
  }

  describe('rules that are stored', () => {
    it('are given back as they are stored, in order', async () => {
      const rules = await only()
      expect([await rules.list(), await rules.get('a'), await rules.remove('a')]).toStrictEqual([[], null, false])
      const first = await rules.upsert({ id: 'a', threshold: 1, windowMs: 1, result: null })
      expect(first).toStrictEqual({ id: 'a', when: {}, threshold: 1, windowMs: 1, result: null, active: true, order: 1 })
      const when = { 'type': 'x', 'subject': 'orders:*', 'data.country': 'DE', 'data.n': 1.5, 'data.ok': true, 'data.none': null }
      const second = await rules.upsert({ id: 'b', when, threshold: 5, windowMs: 1000, result: { a: [1] }, otherwise: null, active: false })
      expect(second).toStrictEqual({ id: 'b', when, threshold: 5, windowMs: 1000, result: { a: [1] }, otherwise: null, active: false, order: 2 })
      expect(await rules.get('b')).toStrictEqual(second)
      const third = await rules.upsert({ id: 'c', threshold: 1, windowMs: 1, result: 1, order: -5 })
      expect((await rules.list()).map(({ id }) => id)).toStrictEqual(['c', 'a', 'b'])
      // It keeps its place, unless it gets another one.
      expect(await rules.upsert({ id: 'c', threshold: 2, windowMs: 1, result: 1 })).toStrictEqual({ ...third, threshold: 2 })
      await rules.upsert({ id: 'c', threshold: 2, windowMs: 1, result: 1, order: 2 })
      expect((await rules.list()).map(({ id }) => id)).toStrictEqual(['a', 'b', 'c'])
      expect([await rules.remove('a'), await rules.remove('a'), await rules.get('a')]).toStrictEqual([true, false, null])
    })

    it('are part of the transaction that stores them', async () => {
      const { store } = use()
      await only()
      await expect(store.transaction(async (tx) => {
        await tx.rules.upsert(failed())
        expect(await store.with(tx).rules.list()).toHaveLength(1)
        throw new Error('mine')
      })).rejects.toThrow('mine')
      expect(await store.rules.list()).toStrictEqual([])
    })

    it('refuse what can\'t be right, and name it', async () => {
      const rules = await only()
      const refused = (rule: object, argument: string) => expectRefused(() => rules.upsert(wrong({ ...failed(), ...rule })), argument)
      for (const threshold of [0, -1, 0.5, '3', null]) await refused({ threshold }, 'rule.threshold')
      for (const windowMs of [0, -1, 0.5, 1e12, '3']) await refused({ windowMs }, 'rule.windowMs')
      for (const order of ['1', 0.5, null, Infinity]) await refused({ order }, 'rule.order')
      await refused({ id: 'x'.repeat(201) }, 'rule.id')
      await refused({ result: undefined }, 'rule.result')
      await refused({ when: { 'data.a': { b: 1 } } }, 'rule.when.data.a')
      for (const name of ['id', 'ts']) await refused({ when: { [name]: 1 } }, `rule.when.${name}`)
      await refused({ when: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`f${at}`, at])) }, 'rule.when')
      expect(await rules.list()).toStrictEqual([])
    })
  })

  describe('an evaluation', () => {
    it.each(streamKinds)('reaches the threshold with the events of its subject: $kind', async ({ subjectOf }) => {
      const rules = await only(failed())
      const { P } = use()
      const [subject, other] = [subjectOf(P), subjectOf(P)]
      const outcomes = []
      for (let n = 0; n < 4; n++) {
        await append(other)
        outcomes.push(await rules.evaluate(await append(subject)))
      }
      const reached = { rule: 'locked', reached: true, result: 'lock', count: 3 }
      expect(outcomes).toStrictEqual([null, null, reached, reached])
    })

    it('counts the events up to the one that is evaluated, whatever has come since', async () => {
      const rules = await only(failed({ otherwise: 'wait' }))
      const subject = unique('users:1')
      for (let n = 0; n < 5; n++) await append(subject, n === 1 ? 'login.done' : 'login.failed')
      const events = (await use().store.stream.read(subject)).map(event => record(event, subject))
      const seen = []
      for (const event of events) seen.push(await rules.evaluate(event))
      expect(seen.map(outcome => outcome && [outcome.count, outcome.result])).toStrictEqual([[1, 'wait'], null, [2, 'wait'], [3, 'lock'], [3, 'lock']])
      // The same where only the id is known, and with less than that.
      const copies = events.map(event => JSON.parse(JSON.stringify(event)) as typeof event)
      for (const [at, copy] of copies.entries()) expect(await rules.evaluate(copy)).toStrictEqual(seen[at])
      expect(await rules.evaluate({ subject, type: 'login.failed' })).toMatchObject({ count: 3 })
    })

    it('looks back as far as the window', async () => {
      const rules = await only(failed({ otherwise: 'wait' }))
      const subject = unique('users')
      for (let n = 0; n < 3; n++) await append(subject)
      const last = await append(subject)
      expect(await rules.evaluate(last)).toMatchObject({ reached: true })
      await age(subject, 9 * MINUTE, 2)
      expect(await rules.evaluate(last)).toMatchObject({ reached: true, count: 3 })
      await age(subject, 2 * MINUTE, 2)
      expect(await rules.evaluate(last)).toMatchObject({ reached: false, count: 2, result: 'wait' })
      // To the millisecond: what is as old as the window is long is outside of it.
      const { sql, table } = use()
      const at = async (ms: number) => {
        await sql(`update ${table('events')} set ts = $2::bigint where subject = $1 and version <= 2`, [subject.split(':').at(-1), last.ts - ms])
        return (await rules.evaluate(last))!.count
      }
      expect([await at(10 * MINUTE - 1), await at(10 * MINUTE)]).toStrictEqual([3, 2])
      expect(await rules.evaluate({ subject, type: 'login.failed', ts: last.ts - 10 * MINUTE })).toMatchObject({ count: 2 })
      expect(await rules.evaluate({ subject, type: 'login.failed', ts: last.ts + 60 * MINUTE })).toMatchObject({ count: 0 })
    })

    it.each<[string, RuleValue, unknown, unknown[]]>([
      ['data.country', 'DE', { country: 'DE' }, [{ country: 'de' }, { country: ['DE'] }, {}, null, 'DE', undefined]],
      ['data.n', 1, { n: 1, more: true }, [{ n: '1' }, { n: 2 }, { n: true }, { n: null }]],
      ['data.ok', false, { ok: false }, [{ ok: true }, { ok: 0 }, { ok: null }, {}]],
      ['data.none', null, { none: null }, [{ none: 0 }, {}, { none: 'null' }]],
      ['data.a.b', 'x', { a: { b: 'x' } }, [{ a: 'x' }, { 'a.b': 'x' }, { a: [{ b: 'x' }] }]],
      ['data.list.1', 'x', { list: ['y', 'x'] }, [{ list: ['x', 'y'] }, { list: 'yx' }]],
      ['data', 5, 5, [{}, '5', [5], null]],
      ['data.__proto__.__proto__', null, JSON.parse('{"__proto__":{"__proto__":null}}'), [{}, { a: 1 }]],
    ])('compares fields by equality: %s is %j', async (field, value, same, others) => {
      const rules = await only(failed({ when: { [field]: value }, threshold: 2, otherwise: 'wait' }))
      const subject = unique('users')
      for (const data of others) expect(await rules.evaluate(await append(subject, 'x', data))).toBeNull()
      expect(await rules.evaluate(await append(subject, 'x', same))).toMatchObject({ count: 1, reached: false })
      for (const data of others) await append(subject, 'x', data)
      expect(await rules.evaluate(await append(subject, 'y', same))).toMatchObject({ count: 2, reached: true })
    })

    it('compares fields with columns of their own, and others', async () => {
      const rules = await only(failed({ when: { 'stepName': 'pay', 'attempt': 2, 'region': 'eu', 'meta.actor': 'ann', 'subject': 'users:*' }, threshold: 2, otherwise: 'wait' }))
      const { store, P } = use()
      const event = { type: 'x', stepName: 'pay', attempt: 2, region: 'eu' }
      const add = async (subject: string, more: object = {}, actor = 'ann') =>
        ({ ...await store.stream.append(subject, { ...event, ...more }, { meta: { actor } }), subject })
      const subject = unique('users:a')
      expect((await rules.evaluate(await add(subject)))?.count).toBe(1)
      for (const more of [{ stepName: 'ship' }, { attempt: 3 }, { region: 'us' }]) expect(await rules.evaluate(await add(subject, more))).toBeNull()
      expect(await rules.evaluate(await add(subject, {}, 'bob'))).toBeNull()
      expect(await rules.evaluate(await add(subject))).toMatchObject({ count: 2, reached: true })
      expect(await rules.evaluate(await add(`${P}:flow:run:${unique()}`))).toBeNull()
    })

    it('is decided by the first rule that says something', async () => {
      const [many, few] = [failed({ id: 'many', threshold: 3, result: 'lock' }), failed({ id: 'few', threshold: 2, result: 'warn', otherwise: 'none' })]
      const rules = await only({ ...failed({ id: 'off', threshold: 1, result: 'off' }), active: false }, many, few, failed({ id: 'never', threshold: 1, result: 'never' }))
      const subject = unique('users')
      const outcomes = []
      for (let n = 0; n < 3; n++) outcomes.push(await rules.evaluate(await append(subject)))
      expect(outcomes.map(outcome => [outcome!.rule, outcome!.reached, outcome!.result])).toStrictEqual([['few', false, 'none'], ['few', true, 'warn'], ['many', true, 'lock']])
      await rules.upsert({ ...many, order: 100 })
      expect(await rules.evaluate(await append(subject))).toMatchObject({ rule: 'few' })
      await rules.upsert({ ...few, active: false })
      expect(await rules.evaluate(await append(subject))).toMatchObject({ rule: 'never' })
      await rules.upsert(few)
      expect(await rules.evaluate(await append(subject, 'login.done'))).toBeNull()
    })

    it('does not count what was dismissed', async () => {
      const rules = await only(failed({ threshold: 2, otherwise: 'wait' }))
      const subject = unique('users')
      const { id } = await append(subject)
      await use().store.stream.dismiss(id, { reason: 'a test', by: 'ann' })
      expect(await rules.evaluate(await append(subject))).toMatchObject({ count: 1 })
    })

    it('in a transaction counts what the transaction has appended', async () => {
      const { store } = use()
      await only(failed({ threshold: 2, otherwise: 'wait' }))
      const subject = unique('users')
      const evaluate = async (tx: TransactionApi) => (await tx.rules.evaluate({ ...await tx.stream.append(subject, { type: 'login.failed' }), subject }))!.result as string
      expect(await store.transaction(async tx => [await evaluate(tx), await evaluate(store.with(tx))])).toStrictEqual(['wait', 'lock'])
    })

    it('in a consumer decides in its transaction', async () => {
      const { store } = use()
      await only(failed())
      const subject = unique('users')
      for (let n = 0; n < 4; n++) await append(subject)
      const name = unique('locks')
      onTestFinished(async () => void await store.admin.consumers.remove(name))
      await store.consume({
        name, subjects: [subject],
        handler: async (event, { tx }) => {
          if ((await tx.rules.evaluate(event))?.result === 'lock') await tx.kv.increment(subject)
        },
      }).runOnce()
      expect(await store.kv.get(subject)).toBe(2)
    })

    it('tried out says what every rule says, also of rules that are not stored', async () => {
      const rules = await only(failed({ id: 'off', active: false }), failed({ id: 'other', when: { type: 'x' } }), failed(), failed({ id: 'low', threshold: 1 }))
      const subject = unique('users')
      await append(subject)
      const event = await append(subject)
      const outcome = { rule: 'low', reached: true, result: 'lock', count: 1 }
      expect(await rules.dryRun(event)).toStrictEqual({
        outcome,
        steps: [
          { rule: 'off', active: false, matches: true, threshold: 3, reached: false, decides: false },
          { rule: 'other', active: true, matches: false, threshold: 3, reached: false, decides: false },
          { rule: 'locked', active: true, matches: true, count: 2, threshold: 3, reached: false, decides: false },
          { rule: 'low', active: true, matches: true, count: 1, threshold: 1, reached: true, decides: true },
        ],
      })
      expect(await rules.evaluate(event)).toStrictEqual(outcome)
      const tried = await rules.dryRun({ subject, type: 'login.failed' }, { rules: [failed({ id: 'new', threshold: 2, result: 'new' }), failed()] })
      expect(tried).toMatchObject({ outcome: { rule: 'new', result: 'new', count: 2 }, steps: [{ decides: true }, { rule: 'locked', count: 2, decides: false }] })
      expect(await rules.get('new')).toBeNull()
      const both = await rules.dryRun(event, { rules: [failed({ id: 'one', threshold: 1, result: 1 }), failed({ id: 'two', threshold: 2, result: 2 })] })
      expect(both).toMatchObject({ outcome: { rule: 'one', result: 1 }, steps: [{ reached: true, decides: true }, { reached: true, decides: false }] })
      expect(await rules.dryRun(event, { rules: [] })).toStrictEqual({ outcome: null, steps: [] })
    })
  })
}
