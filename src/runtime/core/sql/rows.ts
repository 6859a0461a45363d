import type { NamedColumn } from '../shared/identifier'
import type { Field } from '../tables/fields'
import { castOf, columnsOf, fieldsOf } from '../tables/fields'
import type { TableSpec } from '../tables/types'
import { arrayLiteral } from './array'

/** A column of input values: its name, the type that parameters are cast to, and the value of each input. */
export interface InputColumn<I> extends NamedColumn {
  cast: string
  of(input: I): unknown
  /** All inputs of a statement have the same value. */
  shared?: boolean
  /** Never SQL null, so that a JSON null is a value. */
  required?: boolean
}

/** A column computed from all inputs together: one value for each input or, when `apart`, a list of any length. */
export interface ListColumn<I> extends NamedColumn {
  cast: string
  list(inputs: readonly I[]): readonly unknown[]
  apart?: boolean
}

export type Column<I> = InputColumn<I> | ListColumn<I>

export interface InputRows<I> {
  /** The value as an SQL expression: a parameter, or a column of the input rows. */
  ref(name: string): string
  /** Expression for the number of the input, starting at 1. */
  ord: string
  /** ` from … as i(…)`; empty for a single input. */
  from: string
  /** The parameters from `$2` on; `$1` is the tenant. */
  values(inputs: readonly I[]): unknown[]
}

/**
 * Passes one input to a statement as parameters, or many inputs as arrays that the statement expands into rows. Both
 * forms of a statement are built by the same code.
 */
export function inputRows<I>(columns: Column<I>[], many: boolean): InputRows<I> {
  return many ? manyRows(columns) : oneRow(columns)
}

/** Condition: the columns of a table equal the values of an input under the same names. */
export function sameAsInput<I>(columns: NamedColumn[], rows: Pick<InputRows<I>, 'ref'>, table = ''): string {
  return [`${table}tenant_id = $1::text`, ...columns.map(({ name, sql }) => `${table}${sql} = ${rows.ref(name)}`)].join(' and ')
}

/**
 * Runs a select with a limit for each input; with many inputs, `ord` is the number of the input. Each input is looked up
 * through an index. A plan with a join would scan a small table completely, including its dead rows.
 */
export function lookUp<I>({ from, ord }: InputRows<I>, select: string): string {
  return from ? `select ${ord} as ord, found.*${from}\ncross join lateral (${select}) as found` : select
}

function oneRow<I>(columns: Column<I>[]): InputRows<I> {
  const refs = new Map(columns.map(({ name, cast }, at) => [name, `$${at + 2}::${cast}`]))
  return {
    ref: name => refs.get(name)!,
    ord: '1',
    from: '',
    values: inputs => columns.map(column => 'list' in column ? column.list(inputs)[0] : column.of(inputs[0]!)),
  }
}

/**
 * JSON values are sent as one JSON array, whose elements need no escaping: measured, this takes a third of the time of
 * `text[]` on both sides. A null in it stands for SQL null in columns that are not `required`.
 */
function manyRows<I>(columns: Column<I>[]): InputRows<I> {
  const parameters = columns.map((column, at) => `$${at + 2}::${column.cast}${isShared(column) || column.cast === 'jsonb' ? '' : '[]'}`)
  const spread = columns.map(({ sql, cast }, at) => ({ sql, cast, at })).filter(({ at }) => isSpread(columns[at]!))
  const arrays = spread.filter(({ cast }) => cast !== 'jsonb')
  const documents = spread.filter(({ cast }) => cast === 'jsonb')
  const sources = [
    ...arrays.map(({ at }) => `pg_catalog.unnest(${parameters[at]})`),
    ...documents.map(({ at }) => `pg_catalog.jsonb_array_elements(${parameters[at]})`),
  ]
  const names = [...arrays, ...documents].map(({ sql }) => sql)
  const refs = new Map(columns.map((column, at) => {
    const { name, sql } = column
    if (!isSpread(column)) return [name, parameters[at]!]
    return [name, column.cast === 'jsonb' && !isRequired(column) ? `nullif(i.${sql}, 'null')` : `i.${sql}`]
  }))
  const bind = columns.map(binding)
  return {
    ref: name => refs.get(name)!,
    ord: 'i.ord',
    from: ` from rows from (${sources.join(', ')}) with ordinality as i(${names.join(', ')}, ord)`,
    values: inputs => bind.map(valueOf => valueOf(inputs)),
  }
}

export const isShared = <I>(column: Column<I>): boolean => 'shared' in column && column.shared === true
const isRequired = <I>(column: Column<I>) => 'required' in column && column.required === true
const isSpread = <I>(column: Column<I>) => !('list' in column ? column.apart : column.shared)

function binding<I>(column: Column<I>): (inputs: readonly I[]) => unknown {
  if ('list' in column) return inputs => arrayLiteral(column.list(inputs), value => value)
  const { of } = column
  if (column.shared) return inputs => of(inputs[0]!)
  return column.cast === 'jsonb' ? inputs => jsonArray(inputs, of) : inputs => arrayLiteral(inputs, of)
}

function jsonArray<I>(inputs: readonly I[], of: (input: I) => unknown): string {
  let text = '['
  for (let at = 0; at < inputs.length; at++) text += (at > 0 ? ',' : '') + ((of(inputs[at]!) as string | null) ?? 'null')
  return `${text}]`
}

/** The input column of a field; `of` returns the value of an input. */
export const fieldInput = <I>({ column, sql, type }: Field, of: (input: I) => unknown): InputColumn<I> =>
  ({ name: column, sql, cast: castOf(type), of })

/** The columns of fields. */
export const fieldColumns = (fields: Field[]): NamedColumn[] => fields.map(({ column, sql }) => ({ name: column, sql }))

/** Columns for a select list. JSON is selected as text: a driver that parses it can't distinguish JSON null from SQL null. */
export function selectColumns(spec: TableSpec, columns: NamedColumn[], table = ''): string {
  const json = new Set([columnsOf(spec).rest.sql, ...fieldsOf(spec).filter(field => castOf(field.type) === 'jsonb').map(field => field.sql)])
  return columns.map(({ sql }) => `${table}${sql}${json.has(sql) ? `::text as ${sql}` : ''}`).join(', ')
}
