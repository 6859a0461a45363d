import { describe, expect, it } from 'vitest'
import { catalog } from '../../src/runtime/core/schema/catalog.gen'
import { indexSpecs, streamSpecs } from '../../src/runtime/core/tables/builtin'
import { castOf, fieldsOf } from '../../src/runtime/core/tables/fields'
import { keyColumns } from '../../src/runtime/core/tables/route'
import type { IndexSpec, StreamSpec } from '../../src/runtime/core/tables/types'

const tableOf = (spec: StreamSpec | IndexSpec) => catalog.tables.find(({ name }) => name === `{prefix}_${spec.table}`)
const columnsOf = (spec: StreamSpec | IndexSpec) => new Map(tableOf(spec)?.columns.map(({ name, type }) => [name, type]))

describe('what the migrations make', () => {
  it.each([...streamSpecs, ...indexSpecs])('has every column of the spec of $table, with the type of its codec', (spec) => {
    const expected = [
      ...fieldsOf(spec).map(({ column, type }) => [column, castOf(type)]),
      ...keyColumns(spec).map(column => [column, 'text']),
      [spec.rest, 'jsonb'],
      ...(spec.kind === 'index' ? [[spec.id, 'text'], ['score', 'double precision'], ['version', 'bigint']] : []),
    ]
    const columns = columnsOf(spec)
    expect(expected.map(([column]) => [column, columns.get(column!)])).toEqual(expected)
  })

  it('has the key that the writes of every index spec count on', () => {
    const keys = indexSpecs.map(spec => catalog.indexes.find(({ table, primary }) => primary && table === `{prefix}_${spec.table}`)?.definition)
    expect(keys).toEqual(indexSpecs.map(spec => `btree (${['tenant_id', ...keyColumns(spec), spec.id].join(', ')})`))
  })

  it('has nothing invalid', () => {
    expect(catalog.indexes.filter(({ valid }) => !valid)).toEqual([])
  })
})
