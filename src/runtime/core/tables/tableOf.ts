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
 * The unqualified name of the table that stores a subject or key, for display and for your own SQL. All generic streams
 * can be read through `{prefix}_events`, including those that have a partition of their own.
 * @throws {StoreError} INVALID_VALUE or INVALID_OPTION when an argument or option is not valid
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
