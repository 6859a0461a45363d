import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const SCRIPT = fileURLToPath(new URL('../../scripts/build-migrations.mjs', import.meta.url))
const GENERATED = 'src/runtime/core/schema/migrations.gen.ts'

describe('the script that collects migrations', () => {
  let root: string

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'nvent-store-migrations-'))
    await Promise.all(['scripts', 'migrations/adopt', 'src/runtime/core/schema/adopt'].map(name => mkdir(join(root, name), { recursive: true })))
    await cp(SCRIPT, join(root, 'scripts/build.mjs'))
  })
  afterEach(() => rm(root, { recursive: true }))

  async function build(files: Record<string, string>, ...args: string[]) {
    for (const [name, text] of Object.entries(files)) await writeFile(join(root, 'migrations', name), text)
    await promisify(execFile)(process.execPath, [join(root, 'scripts/build.mjs'), ...args])
    return readFile(join(root, GENERATED), 'utf8')
  }

  it('reads the header of each file, and nothing below it', async () => {
    const generated = await build({
      '0001_one.sql': '-- Makes a table.\n-- breaking\ncreate table a ();\n-- no-transaction\n',
      '0002_two.sql': '-- Index.\n\n-- no-transaction\n\ncreate index concurrently "b" on a (b);\n-- down\ndrop index b;\n',
      '0003_three.sql': 'select 1;\n-- breaking\n',
    })
    const flags = generated.split(/^ {2}\{$/m).slice(1).map(text => [/transaction: false/.test(text), /breaking: true/.test(text), /down:/.test(text)])
    expect(flags).toEqual([[false, true, false], [true, false, true], [false, false, false]])
    await build({}, '--check')
    await expect(build({ '0003_three.sql': 'select 2;\n' }, '--check')).rejects.toThrow('npm run migrations')
  })

  it.each([
    ['a batched statement in a transaction', '-- batched\nupdate a set b = 1;'],
    ['an index that is built concurrently in a transaction', 'create index concurrently "b" on a (b);'],
  ])('refuses %s', async (_, text) => {
    await expect(build({ '0001_one.sql': text })).rejects.toThrow(/needs `-- no-transaction`/)
  })

  it('refuses a number that is not the next one', async () => {
    await expect(build({ '0002_two.sql': 'select 1;' })).rejects.toThrow(/name it 0001_/)
  })
})
