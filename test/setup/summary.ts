import type { Reporter, SerializedError, TestModule } from 'vitest/node'

/**
 * Prints `N passed, N failed, N skipped` as the very last line of a run. Whatever breaks outside a test (a file
 * that can't be loaded, a hook, an unhandled rejection) counts as failed.
 */
export default class SummaryReporter implements Reporter {
  private line = '0 passed, 0 failed, 0 skipped'

  onInit(): void {
    process.once('exit', () => {
      process.stdout.write(`${this.line}\n`)
    })
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const counts = { passed: 0, failed: unhandled.length, skipped: 0 }
    for (const module of modules) {
      counts.failed += module.errors().length
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        counts[state === 'pending' ? 'skipped' : state]++
      }
    }
    this.line = `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`
  }
}
