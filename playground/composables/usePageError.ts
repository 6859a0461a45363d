/** What fetching the data of this page ended with; undefined when all is well. */
export function usePageError() {
  const { payload } = useNuxtApp()
  return computed(() => Object.values(payload._errors).find(Boolean))
}

/** Whether the server, or the database behind it, is away. */
export function useAway() {
  const error = usePageError()
  return computed(() => isAway(error.value))
}
