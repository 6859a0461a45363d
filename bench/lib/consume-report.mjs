import { goalsOf } from './consume-goals.mjs'
import { bullets, milliseconds, table, times, whole } from './report.mjs'
import { median, ratio } from './rounds.mjs'

const figure = number => number === null || !Number.isFinite(number) ? '–' : Number(number.toPrecision(3)).toLocaleString('en-US')

/** @returns {import('./report.mjs').Report} the part, without pictures */
export function renderConsume(results) {
  const { machine, method, noOps, waiting, uneven, delays, growth, snapshot } = results
  const goals = goalsOf(results)
  const unmet = goals.filter(({ met }) => !met).map(({ what, is, asked }) => `${what}: ${is}, asked for ${asked}`)
  return {
    markdown: [
      bullets(machine),
      `Every contestant has a database and processes of its own, of which one writes and the others handle. A case is ${method.rounds} rounds, in rotating order: in each the items are written, about as many as take ${method.slice} ms, and then handled. Rates are medians of rounds, from the end of the first call of a handler to that of the last one; ratios are medians of the rounds' ratios.`,
      `**${goals.length - unmet.length} of ${goals.length} goals are met.**${unmet.length > 0 ? ' Not met:' : ''}`,
      ...unmet.length > 0 ? [bullets(unmet)] : [],
      ...noOps ? ['### Handlers that do nothing', CONTESTANTS_NOTE, noOpsTable(noOps)] : [],
      ...waiting ? ['### Handlers that wait 1 ms', 'Ten at a time in each process.', waitingTable(waiting)] : [],
      ...uneven ? ['### Uneven handlers', 'One in a hundred takes 200 ms, the others nothing; 256 at a time. Batch by batch, the next 256 wait for the slowest.', unevenTable(uneven)] : [],
      ...delays ? ['### From a commit to a handler', '50 items a second, written by another process.', delaysTable(delays)] : [],
      ...growth ? ['### Few and many subjects', 'Ten events each are pending; a tenth of the subjects, at most 100,000, is parked. Medians of the statements of a consumer, as its process sees them.', growthTable(growth)] : [],
      ...snapshot ? ['### A foreign snapshot', `${whole(snapshot.rate)} events a second for ${snapshot.minutes} min, ${snapshot.processes} processes; while the snapshot is open, the server can't remove old versions of rows.`, snapshotTable(snapshot)] : [],
    ].join('\n\n'),
    images: {},
  }
}

const CONTESTANTS_NOTE = 'The store and pg-boss hand a whole batch to the handler; "one by one" gets each event of a batch, in one transaction. graphile-worker has a local queue of this size and completes jobs in batches, BullMQ has so many jobs under way, emmett reads so many at once and pauses 1 ms; a second process of emmett stands by, so it has one. The server of BullMQ is Redis.'

function noOpsTable(cases) {
  const rows = cases.flatMap(({ batch, processes, results }) => results.map(each => [
    each.name, whole(batch), processes, whole(median(each.rates)), times(ratio(results[0].rates, each.rates)), figure(each.server), figure(each.wal), figure(each.cpu),
  ]))
  return table(['contestant', 'batch', 'processes', 'a second', 'store ÷ it', 'server, µs an item', 'WAL, B an item', 'workers, µs an item'], rows)
}

function waitingTable(results) {
  const first = ({ name }) => results.find(each => each.name === name && each.processes === 1)
  return table(['contestant', 'processes', 'a second', '÷ 1 process'], results.map(each =>
    [each.name, each.processes, whole(median(each.rates)), times(ratio(each.rates, first(each).rates))]))
}

const unevenTable = results => table(['contestant', 'a second', 'store ÷ it'], results.map(each =>
  [each.name, whole(median(each.rates)), times(ratio(results[0].rates, each.rates))]))

const delaysTable = delays => table(['contestant', 'median', '99 %', 'worst', 'never handled'], delays.map(({ name, lost, ...delay }) => [name, ...delayCells(delay), whole(lost)]))

const delayCells = ({ p50, p99, worst }) => [p50, p99, worst].map(milliseconds)

const growthTable = sizes => table(['subjects', 'claim', 'page', 'checkpoint'], sizes.map(({ subjects, ...kinds }) =>
  [whole(subjects), ...['claim', 'page', 'checkpoint'].map(kind => `${milliseconds(kinds[kind])} (${times(kinds[kind] / sizes[0][kind])})`)]))

const snapshotTable = ({ results }) => table(['snapshot', 'a second', 'median', '99 %', 'worst', 'growth of the tables of consumers'], results.map(({ isOpen, rate, grown, ...delay }) =>
  [isOpen ? 'open' : 'none', whole(rate), ...delayCells(delay), `${whole(grown / 1024)} kB`]))
