import { bullets, table, whole } from './report.mjs'
import { COLORS, linePlot } from './svg.mjs'

const MB = 2 ** 20
const megabytes = bytes => `${(bytes / MB).toFixed(1)} MB`

export function renderMemory({ machine, method, samples, heap }) {
  const minutesOf = ({ ms }) => ms / 60_000
  const at = share => samples[Math.min(samples.length - 1, Math.floor(samples.length * share))]
  const half = samples.slice(Math.floor(samples.length / 2))
  const growth = slope(half.map(sample => [minutesOf(sample), sample.rss / MB]))
  const last = samples.at(-1)
  const markdown = [
    bullets(machine),
    `${method.callers} callers, ${whole(method.keys)} keys, every operation mixed with subjects, keys, filters and transactions that are new each time; ${method.warm} s of load before the first sample. ${whole(last.calls)} calls in ${minutesOf(last).toFixed(1)} minutes.`,
    `Heap after garbage collection: ${megabytes(heap.before)} before, ${megabytes(heap.after)} after. RSS in the second half: ${growth >= 0 ? '+' : '−'}${Math.abs(growth).toFixed(2)} MB a minute, at most ${megabytes(Math.max(...samples.map(({ rss }) => rss)))}.`,
    '![Memory of the process under load](images/bench-memory.svg)',
    table(['minute', 'RSS', 'heap used', 'external', 'calls'], [0, 0.25, 0.5, 0.75, 1].map(at).map(sample => [
      minutesOf(sample).toFixed(1), megabytes(sample.rss), megabytes(sample.heapUsed), megabytes(sample.external), whole(sample.calls),
    ])),
  ].join('\n\n')
  const line = (name, member, color) => ({ name, color, points: samples.map(sample => [minutesOf(sample), sample[member] / MB]) })
  const image = linePlot({
    title: `Memory of the process, ${method.callers} callers`,
    unit: 'MB',
    xUnit: 'minutes',
    lines: [line('RSS', 'rss', COLORS.ours), line('heap used', 'heapUsed', COLORS.other), line('external', 'external', COLORS.peer)],
  })
  return { markdown, images: { 'bench-memory.svg': image } }
}

/** A linear fit by least squares. */
function slope(points) {
  const mean = of => points.reduce((sum, point) => sum + point[of], 0) / points.length
  const [x, y] = [mean(0), mean(1)]
  const spread = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0)
  return spread === 0 ? 0 : points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / spread
}
