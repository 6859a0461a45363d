/**
 * Default of `useFetch`: what it fetched last. Without one, a refresh that fails would take away what is shown.
 */
export function useKept(key: string): () => undefined {
  const { payload } = useNuxtApp()
  // To the types it is the usual default: there is nothing before the first answer.
  return () => payload.data[key] as undefined
}
