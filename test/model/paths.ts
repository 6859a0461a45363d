import fc from 'fast-check'
import { json, members, NAMES, number, objectOf, rarely, refused, scalar, text, time } from './values'

/** What is known of the metadata of a key: where values of which type have columns, and where json has them. */
export interface Route {
  key: (fresh: string) => string
  texts: string[]
  numbers: string[]
  times: string[]
  flags: string[]
  objects: string[]
}

const none: Omit<Route, 'key'> = { texts: [], numbers: [], times: [], flags: [], objects: [] }

export const ROUTES: Record<string, Route> = {
  'nvent:flow:runs:x': {
    ...none,
    key: fresh => `nvent:flow:runs:${fresh}`,
    texts: ['status'],
    numbers: ['stepCount', 'completedSteps'],
    times: ['startedAt', 'completedAt', 'lastActivityAt'],
    objects: ['emittedEvents', 'awaitingSteps'],
  },
  'nvent:flows': {
    ...none,
    key: () => 'nvent:flows',
    texts: ['displayName'],
    numbers: ['flowVersion', 'stats.total', 'stats.success', 'stats.failure', 'stats.running', 'stats.cancel'],
    times: ['registeredAt', 'lastRunAt'],
    objects: ['stats'],
  },
  'nvent:triggers': {
    ...none,
    key: () => 'nvent:triggers',
    texts: ['type', 'triggerType', 'status', 'scope', 'displayName', 'description'],
    numbers: ['stats.totalFires', 'stats.activeSubscribers'],
    times: ['registeredAt', 'lastActivityAt', 'stats.lastFiredAt'],
    objects: ['stats', 'subscriptions', 'webhook', 'schedule', 'config'],
  },
  'nvent:scheduler:jobs': {
    ...none,
    key: () => 'nvent:scheduler:jobs',
    texts: ['name', 'jobName', 'cron', 'timezone', 'schedule', 'status'],
    numbers: ['interval'],
    times: ['executeAt', 'scheduledAt', 'lastRunAt', 'nextRunAt'],
    flags: ['enabled'],
    objects: ['metadata', 'config'],
  },
  'a generic key': { ...none, key: fresh => `orders:${fresh}`, times: ['startedAt'], objects: ['stats', 'tags'] },
}

// names of our own columns, of JavaScript's traps, and names nobody has heard of
const STRANGERS = [
  'note', 'rest', 'score', 'id', 'key', 'seq', 'tenant_id', 'updated_at', 'flow_name', 'run_id', 'flowName', 'total',
  '__proto__', 'constructor', 'toString', 'version', '', '.a', 'a..b', 'b.', 'deep.er.still', '__proto__.x',
  'constructor.prototype.y', 'version.z', 'žluť 🐎', `'";--\\`, '7', 'NULL', '{a,b}',
]

/** Paths of a route, all kinds, those with a column first among them. */
export function pathOf(route: Route): fc.Arbitrary<string> {
  const mapped = [...route.texts, ...route.numbers, ...route.times, ...route.flags]
  const inner = route.objects.flatMap(name => ['a', 'b', 'a.b', 'total', '__proto__', 'žluť 🐎'].map(at => `${name}.${at}`))
  const through = [...mapped, ...route.objects].map(name => `${name}.x`)
  const pools = [mapped, route.objects, inner, through, STRANGERS].filter(pool => pool.length > 0)
  const weights = new Map<string[], number>([[mapped, 6], [route.objects, 2], [inner, 3], [STRANGERS, 2]])
  return fc.oneof(...pools.map(pool => ({ weight: weights.get(pool) ?? 1, arbitrary: fc.constantFrom(...pool) })))
}

/** A value for a path: often of the type its column has, as often of another. */
function valueAt(route: Route, path: string): fc.Arbitrary<unknown> {
  const nested = members([...NAMES, ...childrenOf(route, path)], fc.oneof(scalar, json), 5)
  const fitting = route.numbers.includes(path)
    ? number
    : route.times.includes(path)
      ? time
      : route.flags.includes(path)
        ? fc.boolean()
        : route.objects.includes(path) ? nested : text
  return fc.oneof(
    { weight: 10, arbitrary: fitting },
    { weight: route.objects.includes(path) ? 8 : 4, arbitrary: scalar },
    { weight: 3, arbitrary: nested },
    { weight: 2, arbitrary: json },
    { weight: 2, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: fc.constant(undefined) },
  )
}

function childrenOf(route: Route, path: string): string[] {
  const all = [...route.numbers, ...route.times, ...route.texts]
  return all.filter(name => name.startsWith(`${path}.`)).map(name => name.slice(path.length + 1))
}

/** Metadata or a patch for entries of a route. */
export function metadataFor(route: Route): fc.Arbitrary<Record<string, unknown>> {
  const member = pathOf(route).chain(path => rarely(valueAt(route, path), refused, 200).map((value): [string, unknown] => [path, value]))
  return fc.array(member, { maxLength: 7, size: 'max' }).map(objectOf)
}
