import type { StoreError } from '../../shared/errors'
import { invalidOption } from '../../shared/errors'
import type { Queryable } from '../types'

/** A setting that affects what the store returns or stores. All other settings may have any value. */
interface Needed {
  name: string
  value: string
  fits(value: string): boolean
  /** Other values are tolerated: statements that fail because of them are retried, which only costs time. */
  bearable?: boolean
}

const NEEDED: Needed[] = [
  { name: 'array_nulls', value: 'on', fits: value => value === 'on' },
  // The server converts numbers to JSON: with a lower value, digits would be lost.
  { name: 'extra_float_digits', value: '1', fits: value => Number(value) >= 1 },
  // Triggers count entries and refuse appends to archived streams.
  { name: 'session_replication_role', value: 'origin', fits: value => value !== 'replica' },
  { name: 'standard_conforming_strings', value: 'on', fits: value => value === 'on' },
  { name: 'default_transaction_isolation', value: 'read committed', fits: value => value.startsWith('read'), bearable: true },
]

const ENCODINGS = ['server_encoding', 'client_encoding']

/**
 * The settings of a connection that have unsuitable values.
 * @throws {StoreError} INVALID_OPTION when server or client do not use UTF-8, which no start-up option can fix
 */
export async function unfitSettings(on: Queryable, option: string): Promise<Needed[]> {
  const { rows } = await on.query<{ name: string, value: string }>({
    text: 'select name, setting as value from pg_catalog.pg_settings where name = any($1::text[])',
    values: [[...ENCODINGS, ...NEEDED.map(({ name }) => name)]],
  })
  const found = new Map(rows.map(({ name, value }) => [name, value]))
  for (const name of ENCODINGS) {
    if (found.get(name) !== 'UTF8') throw wrongEncoding(option, name, found.get(name))
  }
  return NEEDED.filter(({ name, fits }) => found.has(name) && !fits(found.get(name)!))
}

/** The needed values as start-up options of a connection. */
export const asStartOptions = (settings: Needed[]): string =>
  settings.map(({ name, value }) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`).join(' ')

/** @throws {StoreError} INVALID_OPTION */
export function requireFit(option: string, unfit: Needed[]): void {
  const settings = unfit.filter(({ bearable }) => !bearable)
  if (settings.length === 0) return
  const names = settings.map(({ name }) => name).join(', ')
  throw invalidOption(option, `leads to a server with settings that change what is stored (${names}): give it \`options: '${asStartOptions(settings)}'\`, or the role \`alter role … set ${settings[0]!.name} = ${settings[0]!.value}\``)
}

function wrongEncoding(option: string, name: string, value: string | undefined): StoreError {
  return invalidOption(option, name === 'server_encoding'
    ? `leads to a database in ${value}, which can't store every string: make one with \`create database … encoding 'UTF8' template template0\``
    : `has client_encoding ${value}, and everything is sent in UTF8: leave it out`)
}
