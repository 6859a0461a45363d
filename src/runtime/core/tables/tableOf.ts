import { indexSpecs, streamSpecs } from './builtin'
import { createRouter } from './route'
import { checkName, checkOptions, checkWord } from '../shared/checks'
import { DEFAULT_NAMES } from '../shared/identifier'
import { nonEmpty, tablePrefix } from '../shared/optionChecks'
import type { Members } from '../shared/types'

const routers = {
  stream: (subjectPrefix: string) => createRouter(streamSpecs, subjectPrefix),
  index: (subjectPrefix: string) => createRouter(indexSpecs, subjectPrefix),
}

interface TableOfOptions {
  prefix?: string
  subjectPrefix?: string
}

const TABLE_OF_OPTIONS: Members<TableOfOptions> = { prefix: true, subjectPrefix: true }

/**
 * The table a subject or key is kept in, for display and for SQL of your own. Generic streams are all readable
 * through `{prefix}_events`, whichever table of their own they have.
 * @example tableOf('index', 'nvent:flows') // 'nvent_flows'
 */
export function tableOf(tier: 'stream' | 'index' | 'kv', subject: string, options?: TableOfOptions): string {
  checkWord('tier', tier, ['stream', 'index', 'kv'])
  checkName('subject', subject)
  const given = checkOptions('options', options, TABLE_OF_OPTIONS)
  const prefix = tablePrefix(given.prefix ?? DEFAULT_NAMES.prefix)
  if (tier === 'kv') return `${prefix}_kv`
  return `${prefix}_${routers[tier](nonEmpty('subjectPrefix', given.subjectPrefix ?? prefix))(subject).spec.table}`
}
