import type { CallGroup } from '~/types/desk'

/** The call log of this session; actions refresh it. */
export const useCalls = () => useFetch<CallGroup[]>('/api/calls', { key: 'calls', default: () => [] })
