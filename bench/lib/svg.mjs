// Plots without a library: a dot plot to compare operations, a line plot for changes over time.

const FONT = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'
const INK = '#24292f'
const MUTED = '#656d76'
const GRID = '#e1e4e8'
export const COLORS = { ours: '#0b6bcb', other: '#8250df', peer: '#6e7781', redis: '#d1462f', ceiling: '#1a7f37' }

const ROW = 26
const TOP = 86
const BOTTOM = 38
const GAP = 22

/** Marks differ by shape as well as by colour. */
const MARKS = {
  dot: (x, y, color) => `<circle cx="${x}" cy="${y}" r="5" fill="${color}"/>`,
  ring: (x, y, color) => `<circle cx="${x}" cy="${y}" r="4.2" fill="#fff" stroke="${color}" stroke-width="2"/>`,
  square: (x, y, color) => `<rect x="${x - 4}" y="${y - 4}" width="8" height="8" fill="${color}"/>`,
  diamond: (x, y, color) => `<path d="M${x} ${y - 6}l6 6-6 6-6-6z" fill="${color}"/>`,
  bar: (x, y, color) => `<rect x="${x - 1.25}" y="${y - 8}" width="2.5" height="16" fill="${color}"/>`,
}

/**
 * A dot plot: one row per operation, one mark per contestant, a logarithmic axis; panels are side by side.
 * @param {{ title: string, rows: string[], series: { name: string, color: string, mark: keyof MARKS }[], unit: string,
 *   panels: { title: string, values: (number | undefined)[][] }[], line?: { at: number, label: string } }} plot
 *   `values` of a panel are by series, then by row
 */
export function dotPlot({ title, rows, series, panels, unit, line }) {
  const labels = 28 + Math.max(...rows.map(row => row.length)) * 7
  const width = panels.length === 1 ? 520 : panels.length === 2 ? 380 : 270
  const height = TOP + rows.length * ROW + BOTTOM
  const total = labels + panels.length * (width + GAP)
  const yOf = row => TOP + row * ROW + ROW / 2
  const axis = logAxis([...panels.flatMap(({ values }) => values.flat()), line?.at].filter(value => value > 0))
  const parts = [legend(series, total), ...rows.map((row, at) => text(labels - 14, yOf(at) + 4, row, { anchor: 'end' }))]
  panels.forEach((panel, place) => {
    const left = labels + place * (width + GAP)
    const xOf = value => round(left + axis.place(value) * width)
    parts.push(text(left, TOP - 12, panel.title, { weight: 600 }))
    for (const tick of axis.ticks) {
      parts.push(rule(xOf(tick), TOP, xOf(tick), TOP + rows.length * ROW, GRID))
      parts.push(text(xOf(tick), TOP + rows.length * ROW + 17, short(tick), { anchor: 'middle', color: MUTED, size: 11 }))
    }
    if (line) {
      parts.push(rule(xOf(line.at), TOP - 4, xOf(line.at), TOP + rows.length * ROW, COLORS.redis, '4 3'))
      parts.push(text(xOf(line.at) + 4, TOP + 2, line.label, { color: COLORS.redis, size: 11 }))
    }
    rows.forEach((_, row) => {
      const seen = panel.values.map(values => values[row]).filter(value => value > 0)
      if (seen.length > 1) parts.push(rule(xOf(Math.min(...seen)), yOf(row), xOf(Math.max(...seen)), yOf(row), GRID, '', 3))
      series.forEach(({ mark, color }, of) => {
        const value = panel.values[of][row]
        if (value > 0) parts.push(MARKS[mark](xOf(value), yOf(row), color))
      })
    })
  })
  parts.push(text(total - GAP, height - 6, unit, { anchor: 'end', color: MUTED, size: 11 }))
  return page(total, height, title, parts)
}

/**
 * A line plot over time.
 * @param {{ title: string, unit: string, xUnit: string, lines: { name: string, color: string, points: [number, number][] }[] }} plot
 */
export function linePlot({ title, unit, xUnit, lines }) {
  const [width, height, left] = [760, 320, 64]
  const [plotWidth, plotHeight] = [width - left - 24, height - TOP - BOTTOM]
  const points = lines.flatMap(line => line.points)
  const xAxis = linearAxis(Math.max(...points.map(([x]) => x)))
  const yAxis = linearAxis(Math.max(...points.map(([, y]) => y)))
  const xOf = value => round(left + xAxis.place(value) * plotWidth)
  const yOf = value => round(TOP + plotHeight - yAxis.place(value) * plotHeight)
  return page(width, height, title, [
    legend(lines.map(({ name, color }) => ({ name, color, mark: 'square' })), width),
    ...yAxis.ticks.flatMap(tick => [
      rule(left, yOf(tick), left + plotWidth, yOf(tick), GRID),
      text(left - 8, yOf(tick) + 4, short(tick), { anchor: 'end', color: MUTED, size: 11 }),
    ]),
    ...xAxis.ticks.map(tick => text(xOf(tick), TOP + plotHeight + 17, short(tick), { anchor: 'middle', color: MUTED, size: 11 })),
    ...lines.map(({ color, points }) =>
      `<polyline fill="none" stroke="${color}" stroke-width="1.75" points="${points.map(([x, y]) => `${xOf(x)},${yOf(y)}`).join(' ')}"/>`),
    text(left, TOP - 12, unit, { color: MUTED, size: 11 }),
    text(left + plotWidth, height - 6, xUnit, { anchor: 'end', color: MUTED, size: 11 }),
  ])
}

function page(width, height, title, parts) {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="${FONT}" font-size="13" role="img" aria-label="${escape(title)}">
<rect width="${width}" height="${height}" rx="6" fill="#fff"/>
${text(16, 24, title, { weight: 600, size: 15 })}
${parts.join('\n')}
</svg>
`
}

function legend(series, width) {
  let x = 16
  return series.map(({ name, color, mark }) => {
    const item = MARKS[mark](x + 5, 43, color) + text(x + 16, 47, name, { size: 12 })
    x = Math.min(x + 34 + name.length * 6.6, width - 60)
    return item
  }).join('\n')
}

function logAxis(values) {
  const from = Math.log10(Math.min(...values)) - 0.08
  const to = Math.log10(Math.max(...values)) + 0.08
  const decades = range(Math.floor(from) - 1, Math.ceil(to) + 1)
  const inside = tick => Math.log10(tick) >= from && Math.log10(tick) <= to
  const coarse = decades.map(decade => 10 ** decade).filter(inside)
  const fine = decades.flatMap(decade => [1, 2, 5].map(step => step * 10 ** decade)).filter(inside)
  return { place: value => (Math.log10(value) - from) / (to - from), ticks: coarse.length > 2 ? coarse : fine }
}

function linearAxis(max) {
  const step = 10 ** Math.floor(Math.log10(max / 2))
  const size = [1, 2, 5, 10].map(factor => factor * step).find(each => max / each <= 6)
  const end = Math.ceil(max / size) * size
  return { place: value => value / end, ticks: range(0, Math.round(end / size)).map(at => at * size) }
}

function text(x, y, content, { anchor = 'start', color = INK, size = 13, weight = 400 } = {}) {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${color}" font-size="${size}" font-weight="${weight}">${escape(content)}</text>`
}

function rule(x1, y1, x2, y2, color, dash = '', width = 1) {
  return `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${color}" stroke-width="${width}"${dash && ` stroke-dasharray="${dash}"`}/>`
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, at) => from + at)
const round = value => Math.round(value * 10) / 10
const escape = content => String(content).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

function short(value) {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))} k`
  return String(Number(value.toPrecision(3)))
}
