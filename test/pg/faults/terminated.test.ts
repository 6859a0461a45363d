import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, it, onTestFinished } from 'vitest'
import { compiled } from '../../setup/compiled'
import { freshDatabase } from '../../setup/database'

const TERMINATED = 400

it.each(['own', 'given'])('a process outlives hundreds of terminated connections of a pool (%s)', async (own) => {
  const database = await freshDatabase('pg18')
  const child = fork(compiled('test/pg/faults/terminatedWorker.ts'), [database.url, own], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let stderr = ''
  child.stderr!.on('data', chunk => stderr += String(chunk))
  const exit = once(child, 'exit')
  const messages: Record<string, unknown>[] = []
  child.on('message', (message: Record<string, unknown>) => messages.push(message))
  await Promise.race([once(child, 'message'), exit])
  for (let terminated = 0; terminated < TERMINATED && child.exitCode === null;) {
    const [row] = await database.sql<{ count: number }>(
      'select count(pg_terminate_backend(pid))::int as count from pg_stat_activity where application_name = $1', ['terminated'])
    terminated += row!.count
  }
  if (child.connected) child.send('end')
  expect([(await exit)[0], stderr]).toEqual([0, ''])
  expect(messages).toEqual([{ ready: true }, { done: expect.any(Number) as number }])
})
