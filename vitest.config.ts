import { defineConfig } from 'vitest/config'

const MINUTE = 60_000

// The one at the root extends what `nuxt prepare` generates; running a test needs nothing of that.
const tsconfig = 'test/tsconfig.json'

// Without `extends`: a project that extends the root would start the servers of `globalSetup` once more.
export default defineConfig({
  tsconfig,
  test: {
    globalSetup: './test/setup/servers.ts',
    reporters: ['default', './test/setup/summary.ts'],
    projects: [
      project('unit', { testTimeout: 10_000 }),
      project('contract', { testTimeout: 20_000, hookTimeout: MINUTE }),
      project('pg', { testTimeout: MINUTE, hookTimeout: MINUTE }),
      project('model', { testTimeout: 10 * MINUTE, hookTimeout: MINUTE }),
      // Builds and starts whole apps: one at a time, after everything else.
      project('e2e', {
        testTimeout: 3 * MINUTE, hookTimeout: 5 * MINUTE, fileParallelism: false, sequence: { groupOrder: 1 },
      }),
    ],
  },
})

interface ProjectOptions {
  testTimeout: number
  hookTimeout?: number
  fileParallelism?: boolean
  sequence?: { groupOrder: number }
}

function project(name: string, options: ProjectOptions) {
  return {
    tsconfig,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      environment: 'node',
      pool: 'forks' as const,
      // Every worker may hold an embedded database beside its share of the servers.
      maxWorkers: 2,
      ...options,
    },
  }
}
