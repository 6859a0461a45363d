import { GROWTH_LIMIT } from './goals.mjs'
import { amount, bullets, details, milliseconds, table, times } from './report.mjs'
import { median, ratio } from './rounds.mjs'
import { COLORS, dotPlot } from './svg.mjs'

const MARKS = [{ color: COLORS.other, mark: 'ring' }, { color: COLORS.ours, mark: 'dot' }]

/** The duration of a call at a size, as a multiple of that at the first size. */
const growthOf = (given, size) => given.rates[size] && ratio(given.rates[0], given.rates[size])
const timeOf = (given, size) => given.callers * 1000 / median(given.rates[size])

export function renderGrowth({ machine, method, sizes, cases }) {
  const callers = [...new Set(cases.map(given => given.callers))]
  const judged = cases.flatMap(given => given.rates.slice(1).map((_, at) => ({ given, size: at + 1, value: growthOf(given, at + 1) })))
  const grown = judged.filter(({ value }) => value > GROWTH_LIMIT)
  const nameOf = (given, size) => amount(sizes[given.of][size])
  const markdown = [
    bullets(machine),
    `Each size has a database of its own: half of the events belong to one subject, the rest to subjects of 50; the entries are all under one key. Rows are copies of rows the store wrote. ${method.rounds} rounds of ${method.slice} ms, in rotating order; times are what a caller waits, medians of rounds.`,
    `**${judged.length - grown.length} of ${judged.length} times stay within ${GROWTH_LIMIT}× of those at the first size.**${grown.length ? ' The others:' : ''}`
    + grown.map(({ given, size, value }) => `\n- ${given.label}, ${callersOf(given.callers)}: ${times(value)} at ${nameOf(given, size)}`).join(''),
    '![How much longer calls take on more data](images/bench-growth.svg)',
    ...callers.map((at) => {
      const body = ['events', 'entries'].map(of => tableOf(cases.filter(given => given.callers === at && given.of === of), sizes[of], of)).filter(Boolean).join('\n\n')
      return at === callers[0] ? body : details(callersOf(at), body)
    }),
  ].join('\n\n')
  return { markdown, images: { 'bench-growth.svg': plotOf(cases, callers, sizes) } }
}

function tableOf(cases, counts, of) {
  if (cases.length === 0) return ''
  const head = [
    `${of === 'events' ? 'events' : 'entries and keys'}, ${callersOf(cases[0].callers)}`, ...counts.map(amount),
    ...counts.slice(1).map(count => `${amount(count)} ÷ ${amount(counts[0])} (≤ ${GROWTH_LIMIT})`),
  ]
  return table(head, cases.map(given => [
    given.label,
    ...counts.map((_, size) => milliseconds(timeOf(given, size))),
    ...counts.slice(1).map((_, at) => {
      const value = growthOf(given, at + 1)
      return `${times(value)} ${value <= GROWTH_LIMIT ? '✓' : '✗'}`
    }),
  ]))
}

function plotOf(cases, callers, sizes) {
  const names = [...new Set(cases.map(({ label }) => label))]
  const counts = [...new Set([...sizes.events, ...sizes.entries].slice(1))].filter(count => count > sizes.events[0]).sort((a, b) => a - b)
  return dotPlot({
    title: `Time of a call, as a multiple of its time at ${amount(sizes.events[0])}`,
    unit: 'times as long, logarithmic',
    rows: names,
    line: { at: GROWTH_LIMIT, label: `${GROWTH_LIMIT}×` },
    series: counts.map((count, at) => ({ name: amount(count), ...MARKS[at % MARKS.length] })),
    panels: callers.map(at => ({
      title: callersOf(at),
      values: counts.map(count => names.map((name) => {
        const given = cases.find(each => each.label === name && each.callers === at)
        return given && growthOf(given, sizes[given.of].indexOf(count))
      })),
    })),
  })
}

const callersOf = callers => callers === 1 ? '1 caller' : `${callers} callers`
