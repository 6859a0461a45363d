import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Directory with the compiled files, at the same paths as their sources. */
    compiled: string
  }
}

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What processes of the tests load, beside the test files themselves. */
const ENTRIES = [
  'src/cli.ts',
  'src/runtime/server/announce.ts',
  'src/runtime/core/index.ts',
  'src/runtime/core/db/pglite/directoryLock.ts',
  'src/runtime/core/db/pg/pg.ts',
  'src/runtime/core/schema/migrate.ts',
  'test/pg/faults/consumerWorker.ts',
  'test/pg/faults/limitedWorker.ts',
  'test/pg/faults/leaseWorker.ts',
  'test/pg/faults/inlineWorker.ts',
  'test/pg/faults/onceWorker.ts',
  'test/pg/faults/soakWorker.ts',
  'test/pg/faults/terminatedWorker.ts',
]

/** Compiles once for a whole run: each of some hundred processes would take a second of CPU for it. */
export default async function compile(project: TestProject): Promise<() => Promise<void>> {
  // Inside node_modules the packages are found.
  const outdir = join(root, 'node_modules/.cache/nvent-store-tests', String(process.pid))
  await build({
    absWorkingDir: root, entryPoints: ENTRIES, outbase: root, outdir, outExtension: { '.js': '.mjs' },
    bundle: true, splitting: true, packages: 'external', platform: 'node', format: 'esm', target: 'node20', sourcemap: 'inline',
  })
  project.provide('compiled', outdir)
  return () => rm(outdir, { recursive: true, force: true })
}
