import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const MINUTE = 60_000

// The one at the root extends what `nuxt prepare` generates; running a test needs nothing of that.
const tsconfig = 'test/tsconfig.json'

// Without `extends`: a project that extends the root would start the servers of `globalSetup` once more.
export default defineConfig({
  tsconfig,
  test: {
    globalSetup: ['./test/setup/compile.ts', './test/setup/servers.ts'],
    reporters: ['default', './test/setup/summary.ts'],
    projects: [
      project('unit'),
      project('contract'),
      project('pg'),
      project('model', { testTimeout: 20 * MINUTE }),
      // Builds and starts whole apps: after everything else.
      project('e2e', { testTimeout: 6 * MINUTE, hookTimeout: 10 * MINUTE, sequence: { groupOrder: 1 } }),
    ],
  },
})

interface ProjectOptions {
  testTimeout?: number
  hookTimeout?: number
  sequence?: { groupOrder: number }
}

// Time limits end what hangs, and judge no speed: a machine under load takes many times as long.
function project(name: string, options: ProjectOptions = {}) {
  return {
    tsconfig,
    // The examples read as an app that has the package installed.
    resolve: { alias: { 'nvent-store-postgres/core': fileURLToPath(new URL('./src/runtime/core/index', import.meta.url)) } },
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      environment: 'node',
      pool: 'forks' as const,
      // One more than the cores of a small machine: tests wait for servers, processes and leases.
      // Every worker may hold an embedded database beside its share of the servers.
      maxWorkers: 3,
      // Embedded databases live for a moment here: to optimize their code takes as long as to run it.
      execArgv: ['--liftoff-only'],
      testTimeout: 4 * MINUTE,
      hookTimeout: 4 * MINUTE,
      expect: { poll: { timeout: 2 * MINUTE, interval: 20 } },
      ...options,
    },
  }
}
