import type { Problem } from '~/utils/problem'

/**
 * Runs what a button does: one action at a time, then the page and the call log are fetched again. What goes wrong
 * ends up in `problem`. Before the page is hydrated it is busy: a click would be lost.
 */
export function useAction(refresh: () => Promise<unknown>) {
  const problem = ref<Problem | null>(null)
  const running = ref(false)
  const hydrated = useHydrated()
  const refreshOthers = useRefresh()
  const busy = computed(() => running.value || !hydrated.value)

  async function run(action: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    running.value = true
    problem.value = null
    try {
      await action()
    }
    catch (error) {
      problem.value = problemOf(error)
    }
    await Promise.all([refresh(), refreshOthers('calls')])
    running.value = false
    return problem.value === null
  }

  return { run, busy, problem }
}
