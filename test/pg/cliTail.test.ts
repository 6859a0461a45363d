import { beforeEach, describe, expect, it } from 'vitest'
import { runCli, startCli } from '../setup/commandLine'
import { freshDatabase, openStore } from '../setup/database'
import type { Store } from '../../src/runtime/core/types'
import { oneServer } from './servers'

describe.each(oneServer)('tail', ({ server }) => {
  let url: string
  let store: Store
  let ids: string[]
  let first: number

  beforeEach(async () => {
    ({ url } = await freshDatabase(server))
    store = openStore({ connection: url })
    const events = []
    for (const data of [1, 2, 3]) events.push(await store.stream.append('orders:1', { type: 'counted', data }))
    ids = events.map(({ id }) => id)
    first = events[0]!.ts
  })

  const tail = (...args: string[]) => startCli(['tail', 'orders:1', '--url', url, '--json', ...args])
  const dataOf = (stdout: string) => stdout.trim().split('\n').filter(Boolean).map(line => (JSON.parse(line) as { data: number }).data)

  it('prints what is there, then what comes, once each, and ends cleanly by Ctrl-C', async () => {
    const { child, ended, stdout } = await tail()
    await expect.poll(() => dataOf(stdout())).toEqual([1, 2, 3])
    await store.stream.append('orders:2', { type: 'counted', data: 0 })
    await store.stream.append('orders:1', { type: 'counted', data: 4 })
    await expect.poll(() => dataOf(stdout())).toEqual([1, 2, 3, 4])
    child.kill('SIGINT')
    const { code, stderr } = await ended
    expect({ code, errors: /error/i.test(stderr) }).toEqual({ code: 0, errors: false })
  })

  it('follows all subjects that a glob matches, in the order of their ids', async () => {
    await store.stream.append('orders:2', { type: 'counted', data: 4 })
    await store.stream.append('others:1', { type: 'counted', data: 0 })
    const glob = (...args: string[]) => startCli(['tail', 'orders:*', '--url', url, ...args])
    const rows = (stdout: string) => stdout.trim().split('\n').filter(Boolean).map((line) => {
      const { subject, event } = JSON.parse(line) as { subject: string, event: { data: number } }
      return `${subject} ${event.data}`
    })
    const there = ['orders:1 1', 'orders:1 2', 'orders:1 3', 'orders:2 4']
    expect(rows((await (await glob('--no-follow', '--json')).ended).stdout)).toEqual(there)
    expect(rows((await (await glob('--no-follow', '--json', '--from', ids[1]!, '--limit', '1')).ended).stdout)).toEqual(['orders:1 3'])
    expect((await (await glob('--no-follow')).ended).stdout).toMatch(/^\d+\t\S+Z\torders:1\tcounted\t/)
    const { ended, stdout } = await glob('--limit', '6', '--json')
    await expect.poll(() => rows(stdout())).toEqual(there)
    await store.stream.append('orders:3', { type: 'counted', data: 5 })
    await store.stream.append('orders:1', { type: 'counted', data: 6 })
    expect(rows((await ended).stdout)).toEqual([...there, 'orders:3 5', 'orders:1 6'])
  })

  it('misses nothing that is appended while it starts', async () => {
    const { child, ended, stdout } = await tail()
    let last = 3
    await expect.poll(async () => {
      await store.stream.append('orders:1', { type: 'counted', data: ++last })
      return dataOf(stdout()).length
    }, { interval: 5 }).toBeGreaterThan(10)
    await expect.poll(() => dataOf(stdout()).at(-1)).toBe(last)
    expect(dataOf(stdout())).toEqual(Array.from({ length: last }, (_, at) => at + 1))
    child.kill('SIGTERM')
    expect((await ended).code).toBe(0)
  })

  it('starts where it is told to, and ends after so many', async () => {
    const from = async (...args: string[]) => dataOf((await (await tail(...args)).ended).stdout)
    expect(await from('--limit', '2')).toEqual([1, 2])
    expect(await from('--from', ids[0]!, '--no-follow')).toEqual([2, 3])
    expect(await from('--from', new Date(first).toISOString(), '--no-follow')).toEqual([1, 2, 3])
    expect(await from('--from', '2999-01-01', '--no-follow')).toEqual([])
    const live = await tail('--from', 'now', '--limit', '1')
    let last = 3
    await expect.poll(async () => {
      await store.stream.append('orders:1', { type: 'counted', data: ++last })
      return live.stdout()
    }).not.toBe('')
    const { stdout, code } = await live.ended
    expect(code).toBe(0)
    expect(dataOf(stdout)[0]).toBeGreaterThan(3)
  })

  it('prints lines for people', async () => {
    const { stdout } = await runCli(['tail', 'orders:1', '--no-follow', '--limit', '1', '--url', url])
    expect(stdout).toBe(`${ids[0]}\t${new Date(first).toISOString()}\tcounted\t{"data":1}\n`)
  })

  it('ends when its reader has gone', async () => {
    const { child, ended, stdout } = await tail()
    await expect.poll(() => dataOf(stdout()).length).toBe(3)
    child.stdout.destroy()
    await store.stream.append('orders:1', { type: 'counted', data: 4 })
    expect((await ended).code).toBe(0)
  })
})
