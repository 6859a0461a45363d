import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { emptyDirectory, runCli } from '../setup/commandLine'
import { freshDatabase, openStore } from '../setup/database'
import type { Database } from '../setup/database'
import { eventually } from '../setup/eventually'
import { oneServer } from './servers'

describe.each(oneServer)('consumers and dead letters on the command line', ({ server }) => {
  let database: Database
  let cwd: string
  const on = (...args: string[]) => runCli([...args, '--url', database.url], { cwd })

  beforeEach(async () => {
    database = await freshDatabase(server)
    cwd = await emptyDirectory()
  })

  it('are listed, requeued, discarded and purged', async () => {
    const store = openStore({ connection: database.url })
    onTestFinished(() => store.close())
    for (const subject of ['orders:1', 'orders:2', 'orders:3']) {
      await store.stream.append(subject, { type: 'order.paid', data: { fails: true } })
      await store.stream.append(subject, { type: 'order.sent', data: { n: 2 } })
    }
    const seen: string[] = []
    const fails = async ({ subject, data, type }: { subject: string, type: string, data?: { fails?: boolean } }) => {
      if (data?.fails) throw new Error('the carrier\u001B[31m has not answered')
      seen.push(`${subject} ${type}`)
    }
    const parking = store.consume({ name: 'fulfilment', maxAttempts: 1, pollInterval: 20, handler: fails })
    await parking.start()
    const skipping = store.consume({ name: 'mails', maxAttempts: 1, pollInterval: 20, onExhausted: 'skip', subjects: ['orders:3'], handler: fails })
    await skipping.start()
    await eventually(async () => expect((await store.deadLetters.list()).letters).toHaveLength(4))
    await skipping.stop()

    const consumers = await on('consumers', '--json')
    expect(consumers).toMatchObject({ code: 0 })
    expect(consumers.json()).toMatchObject([{ name: 'fulfilment', parked: 3, deadLetters: 3, members: 1 }, { name: 'mails', deadLetters: 1, members: 0 }])
    expect((await on('consumers')).stdout).toMatch(/^fulfilment +at \d+ .*32\/32 shards held by 1 processes +3 parked +3 dead letters\nmails /)

    const listed = await on('dead', 'list', '--consumer', 'fulfilment', '--subject', 'orders:*', '--type', 'order.paid', '--state', 'parked', '--error', 'CARRIER', '--since', '2020-01-01', '--json')
    const { letters } = listed.json() as { letters: { id: string, subject: string }[] }
    expect(letters.map(({ subject }) => subject).sort()).toEqual(['orders:1', 'orders:2', 'orders:3'])
    expect((await on('dead', 'list', '--until', '2020-01-01')).stdout).toBe('')
    const { stdout } = await on('dead', 'list')
    expect(stdout).toContain('the carrier\\u001b[31m has not answered')
    const idOf = (of: string) => letters.find(({ subject }) => subject === of)!.id
    expect((await on('dead', 'get', idOf('orders:1'), '--json')).json()).toMatchObject({ subject: 'orders:1', event: { data: { fails: true } } })
    expect(await on('dead', 'get', '99999')).toMatchObject({ code: 1, stdout: '' })

    for (const wrong of [['requeue'], ['requeue', '1', '--all'], ['requeue', '--all', '--event', '{}'], ['requeue', '1', '--event', '{'], ['requeue', '1', '--event', 'null'], ['list', '--since', 'yesterday']]) {
      expect(await on('dead', ...wrong), wrong.join(' ')).toMatchObject({ code: 2, stdout: '' })
    }
    expect(await on('dead', 'list', '--state', 'odd')).toMatchObject({ code: 1, stdout: '' })
    expect(await on('dead', 'discard', idOf('orders:1'))).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') as string })
    expect(seen).toEqual(['orders:3 order.sent'])

    expect(await on('dead', 'requeue', idOf('orders:1'), '--event', '{"data":{}}')).toMatchObject({ code: 0, stdout: '1 requeued\n' })
    await eventually(() => expect(seen.slice(1)).toEqual(['orders:1 order.paid', 'orders:1 order.sent']))
    expect(await on('dead', 'requeue', idOf('orders:1'))).toMatchObject({ code: 1 })
    expect(await on('dead', 'discard', idOf('orders:2'), '--yes')).toMatchObject({ code: 0 })
    await eventually(() => expect(seen.slice(3)).toEqual(['orders:2 order.sent']))
    expect(await on('dead', 'requeue', '--consumer', 'fulfilment', '--limit', '5')).toMatchObject({ code: 0, stdout: '1 requeued\n' })
    expect(await on('dead', 'purge', '--older-than', '1d', '--yes')).toMatchObject({ code: 0, stdout: '0 deleted\n' })
    expect(await on('dead', 'purge', '--older-than', 'long', '--yes')).toMatchObject({ code: 1 })
    expect(await on('dead', 'purge', '--consumer', 'mails', '--yes', '--json')).toMatchObject({ code: 0 })
    expect(await database.sql('select state from nvent_dead_letters where consumer = \'mails\'')).toEqual([])
  })

  it('of no such consumer are refused, and consumers are reset and removed', async () => {
    const store = openStore({ connection: database.url })
    onTestFinished(() => store.close())
    await store.stream.append('orders:1', { type: 'order.paid' })
    await store.consume({ name: 'fulfilment', handler: () => {} }).runOnce()
    const position = async () => (await store.admin.consumers.get('fulfilment'))?.position
    for (const wrong of [['consumers', 'remove', 'fulfilmnt', '--yes'], ['consumers', 'reset', 'fulfilmnt', '--to', 'start', '--yes'], ...['list', 'requeue', 'purge'].map(name => ['dead', name, '--consumer', 'fulfilmnt'])]) {
      expect(await on(...wrong), wrong.join(' ')).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('there is no consumer "fulfilmnt": did you mean fulfilment?') as string })
    }
    for (const wrong of [['remove'], ['reset', 'fulfilment'], ['remove', 'fulfilment', '--to', 'start'], ['rmove', 'fulfilment']]) expect(await on('consumers', ...wrong), wrong.join(' ')).toMatchObject({ code: 2 })
    expect(await runCli(['dead', '--url', database.url], { cwd })).toMatchObject({ code: 2, stderr: expect.stringContaining('there are list, get, requeue, discard, purge') as string })
    const head = (await store.admin.consumers.get('fulfilment'))!.head
    for (const unsure of [['remove', 'fulfilment'], ['reset', 'fulfilment', '--to', 'start']]) {
      expect(await on('consumers', ...unsure), unsure.join(' ')).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') as string })
      expect(await position()).toBe(head)
    }
    expect(await on('consumers', 'reset', 'fulfilment', '--to', '999999', '--yes')).toMatchObject({ code: 1 })
    expect(await on('consumers', 'reset', 'fulfilment', '--to', 'start', '--yes')).toMatchObject({ code: 0, stdout: 'fulfilment reset\n' })
    expect(await position()).toBe('0')
    expect(await on('consumers', 'reset', 'fulfilment', '--to', 'now', '--yes')).toMatchObject({ code: 0 })
    expect(await position()).toBe(head)
    expect(await on('consumers', 'remove', 'fulfilment', '--yes')).toMatchObject({ code: 0, stdout: 'fulfilment removed\n' })
    expect(await position()).toBeUndefined()
  })
})
