import { goalsOf } from './goals.mjs'
import { amount, bullets, details, table, times, whole } from './report.mjs'
import { median, ratio } from './rounds.mjs'
import { COLORS, dotPlot } from './svg.mjs'
import { operations } from './workloads.mjs'

const MARKS = {
  ours: { color: COLORS.ours, mark: 'dot' },
  raw: { color: COLORS.ceiling, mark: 'bar' },
  peer: { color: COLORS.peer, mark: 'square' },
  redis: { color: COLORS.redis, mark: 'diamond' },
}

/** The contestants on one server. */
function fieldOf(contestants, server) {
  const here = kind => contestants.find(each => each.kind === kind && each.server === server)
  const [ours, ...others] = contestants.filter(each => each.kind === 'ours' && each.server === server)
  return { ours, others, raw: here('raw'), peer: here('peer'), redis: contestants.find(({ kind }) => kind === 'redis') }
}

const serversOf = contestants => [...new Set(contestants.filter(({ kind }) => kind !== 'redis').map(({ server }) => server))]

/** Compares a figure with its goal, if it has one. @returns {{ value: number, goal?: number, met?: boolean }} */
function judge(given, mine, others, goal) {
  if (!mine || !others) return undefined
  const value = ratio(given.results[mine.id].rates, given.results[others.id].rates)
  return { value, goal, met: goal === undefined ? undefined : value >= goal }
}

const verdict = judged => judged === undefined
  ? '–'
  : `${times(judged.value)}${judged.goal === undefined ? '' : ` ${judged.met ? '✓' : '✗'} (${judged.goal})`}`

function judgementsOf(given, field) {
  const goals = goalsOf(given.operation, given.callers)
  return {
    peer: judge(given, field.ours, field.peer, goals.peer),
    redis: judge(given, field.ours, field.redis, goals.redis),
    ceiling: judge(given, field.ours, field.raw, goals.ceiling),
  }
}

function caseTable(cases, field) {
  const columns = [field.ours, ...field.others, field.peer, field.redis, field.raw].filter(Boolean)
  const head = [
    'calls a second', ...columns.map(({ label }) => label),
    ...field.others.map(({ label }) => `${field.ours.label} ÷ ${label}`),
    ...(field.peer ? ['÷ peer (goal)'] : []), ...(field.redis ? ['÷ redis (goal)'] : []), ...(field.raw ? ['÷ by hand (goal)', 'calls a statement'] : []),
  ]
  return table(head, cases.map((given) => {
    const judged = judgementsOf(given, field)
    const raw = given.results[field.raw?.id]
    return [
      operations[given.operation].label,
      ...columns.map(({ id }) => whole(median(given.results[id].rates))),
      ...field.others.map(({ id }) => times(ratio(given.results[field.ours.id].rates, given.results[id].rates))),
      ...(field.peer ? [verdict(judged.peer)] : []), ...(field.redis ? [verdict(judged.redis)] : []),
      ...(raw ? [verdict(judged.ceiling), `${Number(raw.callsPerStatement.toPrecision(2))} × ${raw.parallel}`] : []),
    ]
  }))
}

/** The CPU time of the client, which shares the machine with the server. */
function cpuTable(cases, field) {
  const columns = [field.ours, ...field.others, field.peer, field.redis, field.raw].filter(Boolean)
  return table(['processor time of the client, µs a call', ...columns.map(({ label }) => label)], cases.map(given => [
    operations[given.operation].label,
    ...columns.map(({ id }) => Number(given.results[id].cpu.toPrecision(3))),
  ]))
}

/** The number of goals that are met, and the list of those that are not. */
function summaryOf(results, server) {
  const field = fieldOf(results.contestants, server)
  const judged = results.cases.filter(given => given.server === server).flatMap(given => Object.entries(judgementsOf(given, field))
    .filter(([, each]) => each?.goal !== undefined)
    .map(([name, each]) => ({ ...each, given, name })))
  if (judged.length === 0) return ''
  const missed = judged.filter(({ met }) => !met)
  const lines = missed.map(({ given, name, value, goal }) =>
    `- ${operations[given.operation].label}, ${callersOf(given.callers)}, ${keysOf(given.keys)}: ${times(value)} of ${name === 'ceiling' ? 'what is sent by hand' : name}, asked for ${goal}×`)
  return [`**${server}: ${judged.length - missed.length} of ${judged.length} goals are met.**${lines.length ? ' Not met:' : ''}`, ...lines].join('\n')
}

/** Calls that returned false: updates that lost a race. */
function refusedOf(results) {
  const lines = results.cases.flatMap(given => Object.entries(given.results)
    .filter(([, { refused }]) => refused > 0.001)
    .map(([id, { refused }]) => ({ id, text: `${operations[given.operation].label}, ${callersOf(given.callers)}, ${keysOf(given.keys)}: ${(refused * 100).toFixed(1)} %` })))
  if (lines.length === 0) return ''
  const ids = [...new Set(lines.map(({ id }) => id))]
  return `Updates that were lost in a race (the call answered \`false\`) count as done: ${ids.map(id =>
    `${id} ${lines.filter(line => line.id === id).map(({ text }) => text).join('; ')}`).join(' – ')}.`
}

const callersOf = callers => callers === 1 ? '1 caller' : `${callers} callers`
const keysOf = keys => keys === 1 ? '1 key' : `${amount(keys)} keys`

export function renderSideBySide(results) {
  const { cases, contestants, machine, method } = results
  const keys = [...new Set(cases.map(given => given.keys))].filter(count => count > 1)
  const callers = [...new Set(cases.map(given => given.callers))]
  const servers = serversOf(contestants)
  const names = Object.keys(operations)
  const of = (server, count, at) => cases
    .filter(given => given.server === server && given.callers === at && (given.keys === count || given.keys === 1))
    .sort((a, b) => names.indexOf(a.operation) - names.indexOf(b.operation))
  const images = {}
  const sections = servers.map((server) => {
    const field = fieldOf(contestants, server)
    const groups = keys.length ? keys : [1]
    const image = `bench-side-by-side-${server.split(' ')[1]}.svg`
    images[image] = plotOf(server, field, groups[0], callers, at => of(server, groups[0], at))
    const tables = groups.flatMap(count => callers.map(at => ({
      count, at, body: caseTable(of(server, count, at), field), cpu: cpuTable(of(server, count, at), field),
    })))
    const main = tables.find(({ at }) => at === 64) ?? tables[0]
    return [
      `### ${server}`,
      `![Calls a second on ${server}, by operation and callers](images/${image})`,
      `${callersOf(main.at)}, ${keysOf(main.count)}:\n\n${main.body}`,
      details('Processor time of the client', main.cpu),
      ...tables.filter(each => each !== main).map(({ at, count, body, cpu }) => details(`${callersOf(at)}, ${keysOf(count)}`, `${body}\n\n${cpu}`)),
    ].join('\n\n')
  })
  const markdown = [
    bullets(machine),
    `Every contestant has a process and a database of its own and a pool of 10; one version of PostgreSQL is measured after the other, Redis with each. A case is ${method.rounds} rounds of ${method.slice} ms each, in rotating order; the figures are medians of rounds, the ratios medians of the rounds' ratios. "By hand" are the statements our store sent for the case, with their values, sent again through \`pg\` with as many at a time; "calls a statement" is how many calls each of them stands for, × how many were under way.`,
    servers.map(server => summaryOf(results, server)).filter(Boolean).join('\n\n'),
    refusedOf(results),
    ...sections,
  ].filter(Boolean).join('\n\n')
  return { markdown, images }
}

function plotOf(server, field, keys, callers, of) {
  const marks = [['raw', field.raw, 'same statements by hand'], ['peer', field.peer, 'adapter-store-postgres'], ['redis', field.redis, 'adapter-store-redis'], ['ours', field.ours, 'ours']]
    .filter(([, contestant]) => contestant)
  const names = [...new Set(callers.flatMap(at => of(at).map(given => given.operation)))]
  return dotPlot({
    title: `Calls a second, ${server}, ${keysOf(keys)}`,
    unit: 'calls a second, logarithmic',
    rows: names.map(name => operations[name].label),
    series: marks.map(([kind, , name]) => ({ name, ...MARKS[kind] })),
    panels: callers.map(at => ({
      title: callersOf(at),
      values: marks.map(([, { id }]) => names.map((name) => {
        const given = of(at).find(({ operation }) => operation === name)
        return given && median(given.results[id].rates)
      })),
    })),
  })
}
