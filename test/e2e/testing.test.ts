import { join } from 'node:path'
import { expect, it } from 'vitest'
import { documentedApp } from './documented'
import { root, runNode } from './support'

it('the test files of docs/testing.md pass, beside the app of the tutorial', async () => {
  const directory = await documentedApp(['docs/tutorial.md', 'docs/testing.md'], { which: 'first' })
  const { code, logs } = await runNode(
    [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--root', directory, '--testTimeout=120000', '--hookTimeout=120000'], { cwd: directory },
  )
  expect(code, logs).toBe(0)
  expect(logs).toMatch(/Test Files\s+2 passed/)
})
