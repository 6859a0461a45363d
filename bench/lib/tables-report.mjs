import { bullets, details, table, times, whole } from './report.mjs'
import { median, ratio } from './rounds.mjs'
import { UPDATED, reads } from './tables-vacuum.mjs'
import { OWN_INDEXES } from './tables-workloads.mjs'

const MB = 2 ** 20
const percent = share => share === undefined ? '–' : `${Number((share * 100).toFixed(1))} %`
const megabytes = bytes => `${(bytes / MB).toFixed(2)}`
const signed = share => `${share >= 0 ? '+' : '−'}${Math.abs(share * 100).toFixed(share > -0.1 && share < 0.1 ? 1 : 0)} %`

export function renderTables({ machine, method, fill, index, vacuum }) {
  const markdown = [
    bullets([...machine, `Also \`checkpoint_timeout=1h\` and, for fill factors and indexes, \`autovacuum=off\` with a \`vacuum\` behind each round; where autovacuum is varied, \`autovacuum_naptime=1s\`.`]),
    ...fill.length ? [fillPart(fill, method)] : [],
    ...index.length ? [indexPart(index, method)] : [],
    ...vacuum.length ? [vacuumPart(vacuum)] : [],
  ].join('\n\n')
  return { markdown, images: {} }
}

function fillPart(cases, { callers, calls, rounds }) {
  const factors = cases[0].outcomes.map(({ name }) => name)
  const rows = valueOf => cases.map(given => [
    `\`${given.table}\` ${given.label}`, whole(given.entries),
    ...given.outcomes.map(outcome => outcome.name === given.present ? `**${valueOf(outcome, given)}**` : valueOf(outcome, given)),
  ])
  const part = (name, valueOf) => table([name, 'entries', ...factors], rows(valueOf))
  const presentOf = ({ outcomes, present }) => outcomes.find(({ name }) => name === present) ?? outcomes.at(-1)
  return [
    '### Fill factors',
    `${rounds} rounds of ${whole(calls)} calls at ${callers} callers, each setting in a fresh database, in rotating order; bold is what the migrations set. WAL holds that of the vacuums and each page once whole, as after a checkpoint; the WAL of an append holds the event.`,
    part('HOT share of updates', ({ hot }) => percent(hot)),
    part('WAL, bytes a call', ({ wal }) => whole(wal)),
    part('table + its indexes after it, MB', ({ size, indexes }) => `${megabytes(size)} + ${megabytes(indexes)}`),
    details('How big the tables are before it', part('table + its indexes, MB', ({ filled }) => megabytes(filled))),
    details('How fast, as a multiple of the present setting', part('calls a second ÷ present', ({ rates }, given) => times(ratio(rates, presentOf(given).rates)))),
  ].join('\n\n')
}

function indexPart(cases, { calls, rounds }) {
  const isOwn = names => names.split(', ').every(name => OWN_INDEXES.some(own => name.endsWith(`_${own}`)))
  const rows = cases.flatMap(({ table: of, label, entries, outcomes: [all, ...others] }) => others.map(without => [
    `\`${of}\` ${label}, ${whole(entries)}`, `${without.name}${isOwn(without.name) ? '' : ' (promised)'}`,
    `${percent(all.hot)} → ${percent(without.hot)}`,
    `${whole(all.wal)} → ${whole(without.wal)}`, signed(without.wal / all.wal - 1),
    megabytes(all.indexes - without.indexes), times(ratio(without.rates, all.rates)),
  ]))
  return [
    '### What each index costs',
    `The same with indexes dropped, ${rounds} rounds of ${whole(calls)} calls. They are not dropped anywhere else: reads need them.`,
    table(['calls', 'without', 'HOT share', 'WAL, bytes a call', 'WAL', 'size of the index, MB', 'calls a second'], rows),
  ].join('\n\n')
}

function vacuumPart(runs) {
  return [
    '### Autovacuum',
    `A mix of \`kv.set\`, \`append\`, updates of runs and flows, and \`index.add\` of new entries, with the sweep every second; storage parameters are set on \`${UPDATED.join('`, `')}\`, or on \`flow_events\`. With a naptime of one second it looks sixty times as often as by default. Dead rows are the mean of two samples a second; then autovacuum is stopped and everything is read in rounds.`,
    ...runs.flatMap(({ entries, calls, loaded, read }) => [
      table(
        [`${whole(entries)} entries, ${whole(calls)} calls`, 'vacuums', 'analyzes', 'dead rows, mean', 'tables + indexes, MB', 'WAL, bytes a call', ...Object.keys(reads).map(name => `${name}: pages`)],
        loaded.map(({ name, tables, wal }, at) => [
          name, sum(tables, 'vacuums'), sum(tables, 'analyzes'), whole(sum(tables, 'dead')),
          megabytes(sum(tables, 'size') + sum(tables, 'indexes')), whole(wal),
          ...Object.keys(reads).map(each => read[each][at].pages.toFixed(1)),
        ]),
      ),
      details(`Table by table, ${whole(entries)} entries`, [
        table(['vacuums · dead rows, mean · table + indexes, MB', ...Object.keys(loaded[0].tables)], loaded.map(({ name, tables }) => [
          name, ...Object.values(tables).map(({ vacuums, dead, size, indexes }) => `${vacuums} · ${whole(dead)} · ${megabytes(size)} + ${megabytes(indexes)}`),
        ])),
        table(['reads a second ÷ defaults', ...Object.keys(reads)], loaded.map(({ name }, at) => [
          name, ...Object.keys(reads).map(each => `${times(ratio(read[each][at].rates, read[each][0].rates))}${at ? '' : ` (${whole(median(read[each][0].rates))})`}`),
        ])),
      ].join('\n\n')),
    ]),
  ].join('\n\n')
}

const sum = (tables, member) => Object.values(tables).reduce((total, each) => total + each[member], 0)
