import { checkCount, checkName, checkNumber, checkOptions, checkPosition, checkType } from '../arguments'
import { invalidValue } from '../errors'
import { decodeEvent, encodeEvent, valueFields } from '../spec/event'
import type { ReadRange } from '../statements/stream'
import { appendEvent, deleteEvents, deleteHead, readEvents } from '../statements/stream'
import type { StreamReadOptions, StreamSurface } from '../types'
import type { Scope } from './scope'

const MAX_BIGINT = 2 ** 63

export function createStreamSurface(scope: Scope): Omit<StreamSurface, 'subscribe'> {
  const { context } = scope
  return {
    async append(subject, event) {
      const route = scope.streamRoute(checkName('subject', subject))
      const encoded = encodeEvent(route, event)
      return scope.use((session, tables) => tables.on(session, route, 'append', async (table) => {
        const { rows: [stored] } = await session.query(appendEvent(context, route, table, encoded))
        const columns = Object.fromEntries(valueFields(route.spec).map((field, at) => [field.column, encoded.columns[at]]))
        const keyed = Object.values(route.spec.fields).filter(field => field.type === 'key')
        return decodeEvent(route.spec, {
          ...stored, ...columns, type: encoded.type, [route.spec.rest]: encoded.rest,
          ...Object.fromEntries(keyed.map(field => [field.column, route.keys.at(-1)])),
        })
      }))
    },

    async read(subject, options) {
      const route = scope.streamRoute(checkName('subject', subject))
      const range = readRange(checkOptions('options', options))
      return scope.use((session, tables) => tables.on(session, route, 'read', async (table) => {
        const { rows } = await session.query(readEvents(context, route, table, range))
        return rows.map(row => decodeEvent(route.spec, row))
      }))
    },

    async delete(subject) {
      const route = scope.streamRoute(checkName('subject', subject))
      return scope.use(session => session.atomic(async (transaction) => {
        const head = await transaction.query(deleteHead(context, route.subject))
        if (head.count === 0) return false
        const table = context.names.table(route.spec.table)
        const events = await transaction.query(deleteEvents(context, route, table))
        return events.count > 0
      }))
    },
  }
}

function readRange(options: StreamReadOptions): ReadRange {
  const { types, after, before, from, to, limit, order = 'asc' } = options
  if (order !== 'asc' && order !== 'desc') throw invalidValue('options.order', `must be 'asc' or 'desc', not ${JSON.stringify(order)}`)
  if (types !== undefined && !Array.isArray(types)) throw invalidValue('options.types', 'must be an array of event types')
  return {
    order,
    types: types?.map((type, at) => checkType(`options.types.${at}`, type)),
    after: after === undefined ? undefined : checkPosition('options.after', after),
    before: before === undefined ? undefined : checkPosition('options.before', before),
    from: from === undefined ? undefined : milliseconds(Math.ceil(checkNumber('options.from', from))),
    to: to === undefined ? undefined : milliseconds(Math.floor(checkNumber('options.to', to))),
    limit: limit === undefined ? undefined : checkCount('options.limit', limit),
  }
}

/** Times no bigint can hold are as far away as the last one it can. */
function milliseconds(time: number): number {
  return Math.min(Math.max(time, -MAX_BIGINT / 2), MAX_BIGINT / 2)
}
