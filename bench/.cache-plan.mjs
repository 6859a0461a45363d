import { bundleStore, openStore } from '/work/wt/order/bench/lib/store.mjs'
import { startPostgres, createDatabase, stopAll } from '/work/wt/order/bench/lib/servers.mjs'
import pg from '/work/wt/order/bench/node_modules/pg/lib/index.js'
const source = await bundleStore()
const server = await startPostgres('15')
const url = await createDatabase(server, 'plan')
const store = await openStore(source, url)
for (let n = 0; n < 50; n++) await store.stream.append(`type${n}:1`, { type: 'a' })
const pool = new pg.Pool({ connectionString: url, max: 1 })
await pool.query(`insert into nvent_events (tenant_id, subject_prefix, subject, ts, type, version, data)
  select '', 'type' || (n % 50), 'type' || (n % 50) || ':' || (n / 1000), n, 't' || (n % 5), n, '{"total": 1}' from generate_series(1, 1000000) n`)
await pool.query('vacuum analyze')
const time = async (label, options) => {
  const t = performance.now(); let n = 0
  for await (const e of store.stream.readAll(options)) n++
  console.log(label, n, (performance.now() - t).toFixed(1), 'ms')
}
const stats = async (label, options) => {
  for (let i = 0; i < 3; i++) await time(label, options)
}
await stats('first page', { limit: 500 })
await stats('page at 500k', { limit: 500, after: '500000' })
await stats('page at 990k', { limit: 500, after: '990000' })
await stats('glob type7:*', { limit: 500, after: '500000', subjects: ['type7:*'] })
await stats('exact', { limit: 500, after: '500000', subjects: ['type7:600'] })
await stats('type t3', { limit: 500, after: '500000', types: ['t3'] })
await stats('*:600', { limit: 500, after: '0', subjects: ['*:600'] })
await time('everything', {})
for (const [w, values] of [["", []], [` and ((subject) like 'type7:%' escape '\\' and (subject_prefix = any('{""}'::text[]) or (subject_prefix >= 'type7' and subject_prefix < 'type7;')))`], [" and (subject_prefix = any('{type7}'::text[]) and subject = any('{type7:600}'::text[]) and (subject) = any('{type7:600}'::text[]))"]]) {
  const { rows } = await pool.query(`explain (analyze, buffers, costs off) select id from nvent_events where tenant_id = '' and id > 500000 and id <= 1000000 ${w} order by id limit 500`)
  const lines = rows.map(r => r['QUERY PLAN'])
  console.log(lines.slice(0, 8).join('\n'), '\n...', lines.length, '\n' + lines.slice(-4).join('\n'))
}
await store.close(); await pool.end(); await stopAll(); process.exit()
