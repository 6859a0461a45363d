import { FetchError } from 'ofetch'

export interface Problem {
  message: string
  code?: string
}

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

function problemOf(error: unknown): Problem {
  const body: unknown = error instanceof FetchError ? error.data : undefined
  if (typeof body !== 'object' || body === null || !('message' in body)) return { message: String(error) }

  const details: unknown = 'data' in body ? body.data : undefined
  const code = typeof details === 'object' && details !== null && 'code' in details ? String(details.code) : undefined
  return { message: String(body.message), code }
}
