import { indexSpecs, streamSpecs } from './spec/builtin'
import { createRouter } from './spec/route'
import { tablePrefix } from './optionChecks'

const routers = {
  stream: (subjectPrefix: string) => createRouter(streamSpecs, subjectPrefix),
  index: (subjectPrefix: string) => createRouter(indexSpecs, subjectPrefix),
}

/**
 * The table a subject or key is kept in, for display and for SQL of your own. Generic streams are all readable
 * through `{prefix}_events`, whichever table of their own they have.
 * @example tableOf('index', 'nvent:flows') // 'nvent_flows'
 */
export function tableOf(
  tier: 'stream' | 'index' | 'kv', subject: string, options: { prefix?: string, subjectPrefix?: string } = {},
): string {
  const prefix = tablePrefix(options.prefix ?? 'nvent')
  if (tier === 'kv') return `${prefix}_kv`
  return `${prefix}_${routers[tier](options.subjectPrefix ?? prefix)(subject).spec.table}`
}
