import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { Store } from '../../src/runtime/core/types'
import { LOCK_FOLDER } from '../../src/runtime/core/db/pglite/directoryLock'
import { pgliteUrl } from '../../src/runtime/core/db/connection/pgliteUrl'
import { emptyDirectory, runCli, startCli } from '../setup/commandLine'
import type { CliResult } from '../setup/commandLine'
import { openStore } from '../setup/database'

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

describe('an embedded database that an app has open', () => {
  let directory: string
  let store: Store
  // The one that waits for the app to end, for half a minute.
  let migrating: Promise<CliResult>
  const cli = (...args: string[]) => runCli([...args, '--url', pgliteUrl(directory)])

  beforeAll(async () => {
    directory = join(await emptyDirectory(), 'my data')
    store = openStore({ connection: pgliteUrl(directory) })
    await store.kv.set('greeting', { text: 'hello' }, 3_600)
    await store.index.add('orders', 'a', 1, { status: 'open' })
    await store.stream.append('orders:1', { type: 'counted', data: 1 })
    migrating = cli('migrate')
  })

  function refused({ code, stdout, stderr }: CliResult): void {
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(`is open in process ${process.pid} `)
  }

  it.each<[string[], RegExp]>([
    [['status'], /nothing is pending/],
    [['doctor'], /✔ schema/],
    [['kv', 'get', 'greeting'], /"text": "hello"/],
    [['kv', 'list'], /greeting\t.*until \d{4}-/],
    [['index', 'get', 'orders', 'a'], /"status": "open"/],
    [['index', 'read', 'orders'], /^a\t1\t/],
    [['streams'], /orders:1 +version 1/],
    [['streams', '--tables'], /nvent_stream_orders/],
    [['tail', 'orders:1', '--no-follow'], /counted/],
    [['sql', '--pending'], /^$/],
  ])('can be looked at: %j', async (args, output) => {
    const { code, stdout, stderr } = await cli(...args)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toMatch(output)
    expect(await store.kv.get('greeting')).toEqual({ text: 'hello' })
  })

  it('can be followed while the app writes', async () => {
    const { child, ended, stdout } = await startCli(['tail', 'orders:1', '--json', '--url', pgliteUrl(directory)])
    await expect.poll(stdout).toContain('"data":1')
    await store.stream.append('orders:1', { type: 'counted', data: 2 })
    await expect.poll(stdout).toContain('"data":2')
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 0 })
  })

  it('is changed by the app alone', async () => {
    for (const args of [['rollback', '--to', '0', '--yes'], ['retention', '--subject', 'orders:*', '--max-count', '1']]) refused(await cli(...args))
    refused(await migrating)
  })

  it('takes no harm from what it does not understand', async () => {
    const [claim] = await readdir(join(directory, LOCK_FOLDER))
    const socket = connect(join(directory, LOCK_FOLDER, claim!))
    socket.write('select 1\n\n{"kind":"query"}\n')
    await new Promise(resolve => socket.resume().once('close', resolve))
    expect(await store.kv.get('greeting')).toEqual({ text: 'hello' })
  })
})

describe('an embedded database that is not there', () => {
  it.each([
    ['status'], ['doctor'], ['kv', 'get', 'a'], ['kv', 'list'], ['index', 'read', 'a'], ['streams'], ['tail', 'a', '--no-follow'], ['sql', '--pending'], ['migrate', '--dry-run'],
    ['rollback', '--to', '0', '--yes'], ['retention', '--subject', 'a:*', '--max-age', '30d', '--yes'], ['retention', '--subject', 'a:*', '--max-age', '30d', '--dry-run'],
  ])('is made by no command but migrate: %s %s %s', async (...args) => {
    const cwd = await emptyDirectory()
    const { code, stdout, stderr } = await runCli([...args, '--url', 'pglite://.data/nvent-store'], { cwd })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('there is no embedded database')
    expect(existsSync(join(cwd, '.data'))).toBe(false)
    expect(await readdir(cwd)).toEqual([])
  })
})
