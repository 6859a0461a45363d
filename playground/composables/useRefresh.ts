/**
 * Fetches data of this page again, by key; all of it without keys. Not `refreshNuxtData`: that waits until the browser is
 * idle, which a busy one may never be.
 */
export function useRefresh() {
  const { hooks } = useNuxtApp()
  return async (...keys: string[]): Promise<void> => {
    await hooks.callHookParallel('app:data:refresh', keys.length > 0 ? keys : undefined)
  }
}
