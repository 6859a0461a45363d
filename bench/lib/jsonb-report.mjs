import { bullets, table, times, whole } from './report.mjs'
import { median, ratio } from './rounds.mjs'
import { COLORS, dotPlot } from './svg.mjs'

const SERIES = [
  { id: 'jsonb', name: 'one jsonb column, deep merge', color: COLORS.peer, mark: 'square' },
  { id: 'alone', name: 'ours, batching off', color: COLORS.other, mark: 'ring' },
  { id: 'ours', name: 'ours', color: COLORS.ours, mark: 'dot' },
]

export function renderJsonb({ machine, method, labels, cases }) {
  const callers = [...new Set(cases.map(given => given.callers))]
  const markdown = [
    bullets(machine),
    `${whole(method.entries)} entries; half of the metadata lies in \`emittedEvents\`, a quarter in \`awaitingSteps\`, a quarter in fields without a column. The table with one jsonb column sends one prepared statement a change and has no index but its key. ${method.rounds} rounds of ${method.slice} ms, in rotating order; updates a second, medians of rounds.`,
    'What was claimed for flat columns: 20–50× for simple updates, 2–3× for complex ones. What is measured:',
    '![Updates a second: flat columns and one big jsonb column](images/bench-jsonb.svg)',
    ...callers.map(at => table(
      [at === 1 ? '1 caller' : `${at} callers`, 'metadata', 'ours', 'batching off', 'one jsonb column', 'ours ÷ jsonb', 'batching off ÷ jsonb'],
      cases.filter(given => given.callers === at).map(({ update, kilobytes, rates }) => [
        labels[update], `${kilobytes} kB`, ...['ours', 'alone', 'jsonb'].map(id => whole(median(rates[id]))),
        times(ratio(rates.ours, rates.jsonb)), times(ratio(rates.alone, rates.jsonb)),
      ]),
    )),
  ].join('\n\n')
  return { markdown, images: { 'bench-jsonb.svg': plotOf(cases, callers, labels) } }
}

function plotOf(cases, callers, labels) {
  const rows = cases.filter(given => given.callers === callers[0])
  return dotPlot({
    title: 'Updates a second: flat columns and one big jsonb column',
    unit: 'updates a second, logarithmic',
    rows: rows.map(({ update, kilobytes }) => `${labels[update]}, ${kilobytes} kB`),
    series: SERIES,
    panels: callers.map(at => ({
      title: at === 1 ? '1 caller' : `${at} callers`,
      values: SERIES.map(({ id }) => rows.map(({ update, kilobytes }) =>
        median(cases.find(given => given.callers === at && given.update === update && given.kilobytes === kilobytes).rates[id]))),
    })),
  })
}
