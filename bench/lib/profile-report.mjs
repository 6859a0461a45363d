import { OWNER_NAMES } from './cpu-profile.mjs'
import { goalsOf } from './goals.mjs'
import { bullets, details, table, whole } from './report.mjs'
import { median } from './rounds.mjs'
import { operations } from './workloads.mjs'

const TOP = 8
const SIDES = ['ours', 'peer']

const micros = us => us === undefined ? '–' : `${Number(us.toPrecision(3))}`
const percent = share => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
const rateOf = result => result && median(result.rates)
const labelOf = ({ operation }) => operations[operation].label

export function renderProfile({ machine, method, cases }) {
  const alone = cases.filter(({ callers }) => callers === 1)
  const together = cases.filter(({ callers }) => callers > 1)
  const markdown = [
    bullets(machine),
    `${method.rounds} rounds of ${method.slice} ms each, in rotating order, ${method.keys} keys; then each process is profiled. Processor time of the client is that of the process that makes the calls, of the server that of PostgreSQL and all its processes. "Without waiting" is our store on connections with \`synchronous_commit=off\`: what it makes more is what commits wait for the disk.`,
    ...together.length ? [budgetTable(together, method)] : [],
    ...alone.length ? [aloneTable(alone)] : [],
    details('Whose time it is, in our process and in that of the peer', ownersTable(cases)),
    details('The functions that take the most, by the time spent in themselves', functionsTable(cases)),
  ].join('\n\n')
  return { markdown, images: {} }
}

/** The highest goal, in calls a second. */
function goalOf({ operation, callers, results: { peer, redis } }) {
  const goals = goalsOf(operation, callers)
  const rates = [goals.peer && goals.peer * rateOf(peer), goals.redis && redis && goals.redis * rateOf(redis)].filter(Boolean)
  return rates.length ? Math.max(...rates) : undefined
}

function budgetTable(cases, { cores }) {
  const rows = cases.map((given) => {
    const { results: { ours, relaxed } } = given
    const [rate, goal] = [rateOf(ours), goalOf(given)]
    const takes = ours.cpu + (ours.server ?? 0)
    return [
      `${labelOf(given)}, ${given.callers} callers`, whole(rate), whole(goal), micros(goal && cores * 1e6 / goal),
      `${micros(ours.cpu)} + ${micros(ours.server)}`, percent(takes * rate / 1e6 / cores), whole(rateOf(relaxed)),
    ]
  })
  return table([
    'many callers', 'calls a second', 'goal', `there are at the goal, on ${cores} cores, µs a call`,
    'taken by client + server, µs a call', 'cores in use', 'calls a second without waiting',
  ], rows)
}

function aloneTable(cases) {
  const rows = cases.flatMap(given => SIDES.map((side) => {
    const { [side]: result, relaxed } = given.results
    return [
      `${labelOf(given)}, ${side}`, micros(1e6 / rateOf(result)), micros(result.cpu), micros(result.server),
      side === 'ours' ? micros(1e6 / rateOf(relaxed)) : '',
    ]
  }))
  return table(['one caller, µs a call', 'from call to answer', 'client', 'server', 'without waiting'], rows)
}

function ownersTable(cases) {
  const rows = cases.flatMap(given => SIDES.map((side) => {
    const { cpu, owners } = given.results[side]
    return [`${labelOf(given)}, ${given.callers}, ${side}`, micros(cpu), ...OWNER_NAMES.map(name => micros((owners[name] ?? 0) * cpu))]
  }))
  return table(['client, µs a call', 'all', ...OWNER_NAMES], rows)
}

function functionsTable(cases) {
  const rows = cases.map((given) => {
    const { functions } = given.results.ours
    return [`${labelOf(given)}, ${given.callers}`, functions.slice(0, TOP).map(([name, share]) => `${name} ${percent(share)}`).join(' · ')]
  })
  return table(['ours', 'functions'], rows)
}
