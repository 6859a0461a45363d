import { invalidOption } from '../shared/errors'
import { refuseUnknown } from '../shared/optionChecks'
import { OPTIONS } from './table'
import type { Option } from './table'
import type { StoreOptions } from './types'

export type OptionName = keyof typeof OPTIONS

/** All options, checked, with defaults filled in. */
export type ResolvedStoreOptions = { [Name in OptionName]: ReturnType<(typeof OPTIONS)[Name]['check']> }

/** The names of the options with certain members in the table: `{ from: 'config' }` for those of the modules. */
export type NamesWith<Feature> = { [Name in OptionName]: (typeof OPTIONS)[Name] extends Feature ? Name : never }[OptionName]

/** In the order of the table. */
export const OPTION_NAMES = Object.keys(OPTIONS) as OptionName[]

export const optionOf = (name: OptionName): Option<unknown> => OPTIONS[name]

/** The names of the options with these members in the table. */
export function namesWith<const Feature extends Partial<Option<unknown>>>(feature: Feature): NamesWith<Feature>[] {
  const has = (option: object) => Object.entries(feature).every(([key, value]) => Reflect.get(option, key) === value)
  return OPTION_NAMES.filter(name => has(OPTIONS[name])) as NamesWith<Feature>[]
}

/** The default, where it does not depend on other options. */
export const constantOf = ({ default: value }: Option<unknown>): unknown => typeof value === 'function' ? undefined : value

const defaultOf = (option: Option<unknown>, options: StoreOptions): unknown =>
  typeof option.default === 'function' ? (option.default as (options: StoreOptions) => unknown)(options) : option.default

/**
 * Checks the options as far as possible without a database, and fills in the defaults.
 * @throws {StoreError} INVALID_OPTION with the name of the option
 */
export function resolveOptions(options: StoreOptions): ResolvedStoreOptions {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'must be an object with the options of the store')
  // Mistyped names first: otherwise the error could be that the intended option is missing.
  refuseUnknown(options, OPTION_NAMES)
  const resolved: Record<string, unknown> = Object.fromEntries(OPTION_NAMES.map(name => [name, options[name]]))
  for (const name of OPTION_NAMES) {
    const option = optionOf(name)
    const otherwise = defaultOf(option, resolved)
    const given: unknown = options[name]
    const isGiven = given === null ? otherwise === undefined || option.refusesNull : given !== undefined
    resolved[name] = option.check(name, isGiven ? given : otherwise, resolved)
  }
  return resolved as ResolvedStoreOptions
}
