import type { ConsumedEvent } from '../../../src/runtime/core/index'
import type { ProjectOptions } from '../../../src/runtime/core/projections/types'

export interface Count { sum: number, count: number }

export const countOf = (state: Count, event: Pick<ConsumedEvent, 'data'>): Count =>
  ({ sum: state.sum + (event.data as { amount: number }).amount, count: state.count + 1 })

/** Two inline projections: one by subject, and one whose keys several subjects share. */
export const counters = (version: number): (ProjectOptions<Count, Count> & { init: Count })[] => [
  { name: 'by-subject', mode: 'inline', version, subjects: ['counted:*'], init: { sum: 0, count: 0 }, handle: countOf },
  {
    name: 'by-parity', mode: 'inline', version, subjects: ['counted:*'], init: { sum: 0, count: 0 }, key: parityOf,
    handleBatch(states, events) {
      for (const { key, event } of events) states.set(key, countOf(states.get(key)!, event))
    },
  },
]

export const parityOf = ({ subject }: { subject: string }): string => Number(subject.at(-1)) % 2 === 0 ? 'even' : 'odd'
