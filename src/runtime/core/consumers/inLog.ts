import { streamSpecs } from '../tables/builtin'

/** Whether the event of an id is in the log, neither dismissed nor deleted. $1 is the tenant. */
export const isInLog = (table: (name: string) => string, id: string): string => `(${streamSpecs.map(spec =>
  `exists (select 1 from ${table(spec.table)} where tenant_id = $1::text and id = ${id} and dismissed is null)`).join(' or ')})`
