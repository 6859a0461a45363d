import { runAll } from './load.mjs'
import { literal, multiply } from './multiply.mjs'
import { query } from './servers.mjs'
import { EVENTS_PER_SUBJECT, eventOf, readSubject } from './workloads.mjs'

// The number of subjects that write concurrently: events of one are stored between those of others, as in production.
const CONCURRENT_SUBJECTS = 500

/** SQL that gives one row per event (subject, number of the event in it), in the order of writing. */
const series = (from, to) => `
  select block + place as subject, nth, row_number() over (order by block, nth, place) as position
  from generate_series(${from}, ${to - 1}, ${CONCURRENT_SUBJECTS}) as block,
    generate_series(1, ${EVENTS_PER_SUBJECT}) as nth,
    generate_series(0, ${CONCURRENT_SUBJECTS - 1}) as place
  where block + place < ${to} order by position`

const template = from => `log-template${from}`
const runId = `${literal('log-')} || made.subject`

/**
 * Writes 50 events for each of the subjects from `from` to `to`: one through the public API, the others as SQL copies.
 * @type {Record<string, (target: { url: string, api: any }, from: number, to: number) => Promise<void>>}
 */
export const fillEvents = {
  async ours({ url, api }, from, to) {
    const { id } = await api.stream.append(readSubject(template(from)), eventOf(0))
    await multiply(url, 'nvent_flow_events', `run_id = ${literal(template(from))}`, series(from, to), {
      run_id: runId, id: `${id} + made.position`, ts: 'copy.ts + made.position', version: 'made.nth',
    })
    const events = (to - from) * EVENTS_PER_SUBJECT
    await multiply(url, 'nvent_heads', `subject = ${literal(readSubject(template(from)))}`, `select generate_series(${from}, ${to - 1}) as subject`, {
      subject: `${literal(readSubject('log-'))} || made.subject`, version: String(EVENTS_PER_SUBJECT), first_id: id, last_ts: `copy.last_ts + ${events}`,
    })
    await query(url, `select setval('nvent_events_id_seq', ${id} + ${events})`)
  },

  async peer({ url, api }, from, to) {
    await api.stream.append(readSubject(template(from)), eventOf(0))
    await multiply(url, 'nvent_flow_events', `run_id = ${literal(template(from))}`, series(from, to), {
      run_id: runId, id: null, ts: 'copy.ts + made.position',
    })
  },

  async redis({ api }, from, to) {
    for (let block = from; block < to; block += CONCURRENT_SUBJECTS) {
      const subjects = Math.min(CONCURRENT_SUBJECTS, to - block)
      await runAll(subjects * EVENTS_PER_SUBJECT, CONCURRENT_SUBJECTS, i => api.stream.append(readSubject(`log-${block + i % subjects}`), eventOf(0)))
    }
  },
}
