import type { Names } from '../sql/identifier'
import type { StatementCache } from '../sql/statement'

/** What every statement is compiled for: the names of one store, its cache of texts, and the tenant. */
export interface StatementContext {
  names: Names
  cache: StatementCache
  tenant: string
}

/** `a = $1 and b = $2`: the key columns, from parameter `first` on. */
export function keyCondition(columns: string[], first = 1): string {
  return columns.map((column, at) => `"${column}" = $${first + at}::text`).join(' and ')
}
