// Evaluating a rule on subjects with few and with many events: counting ends at the threshold.
import { numbers, readFlags } from './lib/flags.mjs'
import { describeMachine } from './lib/machine.mjs'
import { median } from './lib/rounds.mjs'
import { createDatabase, query, startPostgres, stopAll } from './lib/servers.mjs'
import { bundleStore, openStore } from './lib/store.mjs'

const HOUR = 3_600_000

const flags = readFlags({
  events: { full: '1000,100000', help: 'events of the subject; the others are compared with the first' },
  calls: { full: 500, quick: 100, help: 'evaluations a round, by one caller' },
  rounds: { full: 9, quick: 3, help: 'rounds a case' },
  threshold: { full: 10, help: 'threshold of the rule' },
  server: { full: '18', help: 'which version of PostgreSQL' },
})

/** How old the events of the subject are. */
const CASES = {
  'all in the window': now => `${now} - 1`,
  'too old but for three': (now, count) => `case when n > ${count - 3} then ${now} - 1 else n end`,
}

try {
  const server = await startPostgres(flags.server)
  const source = await bundleStore()
  const url = await createDatabase(server, 'rules')
  const store = await openStore(source, url)
  await store.rules.upsert({ id: 'locked', when: { 'type': 'login.failed', 'data.country': 'DE' }, threshold: flags.threshold, windowMs: HOUR, result: 'lock', otherwise: 'wait' })
  const { ts: now } = await store.stream.append('users:first', { type: 'made' })
  const cases = []
  for (const [name, ts] of Object.entries(CASES)) {
    for (const count of numbers(flags.events)) {
      const subject = `users:${cases.length}`
      await query(url, `insert into nvent_events (id, subject_prefix, subject, version, ts, type, data)
        select nextval('nvent_events_id_seq'), 'users', '${subject}', n, ${ts(now, count)}, 'login.failed', '{"country":"DE","agent":"a browser"}' from generate_series(1, ${count}) n`)
      await query(url, `insert into nvent_heads (subject, version, last_ts) values ('${subject}', ${count}, ${now} - 1)`)
      const event = { ...await store.stream.append(subject, { type: 'login.failed', data: { country: 'DE' } }), subject }
      cases.push({ name, count, event, times: [] })
    }
  }
  await query(url, 'vacuum analyze')
  for (let round = 0; round <= flags.rounds; round++) {
    for (const { event, times } of cases) {
      const start = performance.now()
      for (let call = 0; call < flags.calls; call++) await store.rules.evaluate(event)
      // The first round warms up.
      if (round > 0) times.push((performance.now() - start) / flags.calls * 1000)
    }
  }
  console.log(describeMachine({ servers: [server], stores: [source] }))
  for (const { name, count, event, times } of cases) {
    const first = cases.find(each => each.name === name)
    const { result, count: counted } = await store.rules.evaluate(event)
    const compared = (median(times) / median(first.times)).toFixed(2)
    console.log(`${name}, ${count.toLocaleString('en-US')} events: ${median(times).toFixed(0)} µs an evaluation (× ${compared}), counted ${counted}: ${result}`)
  }
  await store.close()
}
finally {
  await stopAll()
}
process.exit()
