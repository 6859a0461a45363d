/** Subjects and keys of the workflow framework nvent: the store keeps them in tables made for them. */
export const FLOW = 'checkout'
export const FLOWS = 'nvent:flows'
export const RUNS = `nvent:flow:runs:${FLOW}`
export const runSubject = (runId: string): string => `nvent:flow:run:${runId}`

export const steps = ['reserve-stock', 'charge-card', 'send-receipt']

/** The streams the pages may show: orders and workflow runs. */
export function subjectOf(query: unknown): string {
  const subject = textOf(query, 'subject', 100)
  if (!/^(?:orders:\d+|nvent:flow:run:[\w-]+)$/.test(subject)) {
    throw problem(400, '"subject" must be a stream of this app, such as orders:1001.')
  }
  return subject
}
