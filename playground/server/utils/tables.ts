import type { Tier } from '~/types/desk'

const special: Record<Tier, [pattern: RegExp, table: string][]> = {
  stream: [[/^nvent:flow:run:/, 'nvent_flow_events'], [/^orders:/, 'nvent_stream_orders'], [/^/, 'nvent_events']],
  index: [[/^nvent:flow:runs:/, 'nvent_flow_runs'], [/^nvent:flows$/, 'nvent_flows'], [/^/, 'nvent_index']],
  kv: [[/^/, 'nvent_kv']],
}

/** The table a call with this subject or key goes to. */
export function tableOf(tier: Tier, subject: unknown): string {
  return special[tier].find(([pattern]) => pattern.test(String(subject)))?.[1] ?? ''
}
