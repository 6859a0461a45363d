import type { CallGroup } from '~/types/desk'

/** The call log of this session; actions refresh it. */
export const useCalls = () => {
  const { payload } = useNuxtApp()
  return useFetch<CallGroup[]>('/api/calls', { key: 'calls', default: (): CallGroup[] => payload.data.calls ?? [] })
}
