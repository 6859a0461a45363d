import { fieldsOf } from '../spec/fields'
import type { StreamSpec } from '../spec/types'

/** Every field of an event beside id, time and type, as one object: what the columns hold, and the rest. */
export function recordOf(spec: StreamSpec): string {
  const fields = fieldsOf(spec).map((field) => {
    // An array around the rest says that the event did not carry the field of the key column.
    const present = field.type === 'key' ? `jsonb_typeof("${spec.rest}") is distinct from 'array'` : `${field.sql} is not null`
    return `case when ${present} then jsonb_build_object('${field.name}', ${field.sql}) else '{}' end`
  })
  const rest = `case jsonb_typeof("${spec.rest}") when 'array' then "${spec.rest}" -> 0 when 'object' then "${spec.rest}" else '{}' end`
  return [...fields, rest].join('\n    || ')
}
