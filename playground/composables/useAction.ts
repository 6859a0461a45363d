import type { Problem } from '~/utils/problem'

/**
 * Runs what a button does: one action at a time, then the page and the call log are fetched anew. What goes wrong
 * ends up in `problem`.
 */
export function useAction(refresh: () => Promise<unknown>) {
  const problem = ref<Problem | null>(null)
  const busy = ref(false)

  async function run(action: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    problem.value = null
    try {
      await action()
    }
    catch (error) {
      problem.value = problemOf(error)
    }
    await Promise.all([refresh(), refreshNuxtData('calls')])
    busy.value = false
    return problem.value === null
  }

  return { run, busy, problem }
}
