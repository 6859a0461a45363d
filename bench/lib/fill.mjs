import { EVENTS_PER_SUBJECT, eventOf, readSubject } from './workloads.mjs'
import { runAll } from './load.mjs'
import { query } from './servers.mjs'

// So many subjects write at the same time: the events of one lie among those of the others, as they do in life.
const CONCURRENT_SUBJECTS = 500
const START = 1_750_000_000_000

const { type, flowName, stepName, stepId, attempt, data } = eventOf(0)

/** Rows (subject, nth event, position) of the subjects from `from` to `to`, in the order they were written. */
const rows = (from, to) => `
  select block + place as subject, nth, row_number() over (order by block, nth, place) as position
  from generate_series(${from}, ${to - 1}, ${CONCURRENT_SUBJECTS}) as block,
    generate_series(1, ${EVENTS_PER_SUBJECT}) as nth,
    generate_series(0, ${CONCURRENT_SUBJECTS - 1}) as place
  where block + place < ${to}`

const literal = value => `'${String(value).replaceAll('\'', '\'\'')}'`
const subjectSql = `${literal(readSubject('').replace(/^.*:/, ''))} || subject`
const eventColumns = 'run_id, flow_name, type, step_name, step_id, attempt, data'
const eventValues = `${subjectSql}, ${[flowName, type, stepName, stepId].map(literal).join(', ')}, ${attempt},
  ${literal(JSON.stringify(data))}::jsonb || jsonb_build_object('orderId', position)`

/**
 * Writes 50 events for each subject, as the store or peer would have written them.
 * @type {Record<string, (target: { url: string, api: any }, from: number, to: number) => Promise<void>>}
 */
export const fillEvents = {
  async ours({ url }, from, to) {
    await query(url, `
      with base as (select last_value as id from nvent_events_id_seq),
      heads as (
        insert into nvent_heads (subject, version, first_id, last_ts)
        select ${literal(readSubject(''))} || subject, ${EVENTS_PER_SUBJECT}, base.id, ${START} + ${(to - from) * EVENTS_PER_SUBJECT}
        from base, generate_series(${from}, ${to - 1}) as subject
      )
      insert into nvent_flow_events (id, ts, version, ${eventColumns}, rest)
      select base.id + position, ${START} + position, nth, ${eventValues}, '[{}]'
      from base, (${rows(from, to)}) as event order by position`)
    await query(url, 'select setval(\'nvent_events_id_seq\', (select max(id) from nvent_flow_events))')
  },

  async peer({ url }, from, to) {
    await query(url, `
      insert into nvent_flow_events (ts, ${eventColumns})
      select ${START} + position, ${eventValues}
      from (${rows(from, to)}) as event order by position`)
  },

  async redis({ api }, from, to) {
    for (let block = from; block < to; block += CONCURRENT_SUBJECTS) {
      const subjects = Math.min(CONCURRENT_SUBJECTS, to - block)
      await runAll(subjects * EVENTS_PER_SUBJECT, CONCURRENT_SUBJECTS, i => api.stream.append(readSubject(block + i % subjects), { ...eventOf(0) }))
    }
  },
}
