import { MAX_MS } from '../../shared/timer'

/** The values that `pg` accepts for a member of a connection. Other values reach its timers and sockets unchecked. */
export interface Kind {
  takes(value: unknown): boolean
  /** Continues the sentence that begins with the member's name. */
  problem: string
}

const NO_TIME = `must be an integer of at most ${MAX_MS} milliseconds (24.8 days)`
const MAX_SECONDS = Math.floor(MAX_MS / 1_000)

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isObject = (value: unknown): boolean => typeof value === 'object'

/** An integer in a range, as a number or as digits from an environment variable. */
export const isIntegerIn = (value: unknown, min: number, max: number): boolean =>
  (typeof value === 'number' || typeof value === 'string') && /^\d+$/.test(String(value)) && Number(value) >= min && Number(value) <= max

const isText = (value: unknown): value is string => typeof value === 'string'
// A URL in place of a name would be logged with its password.
const isName = (value: unknown): boolean => isText(value) && !value.includes('://')
const isHost = (value: unknown): boolean => isText(value) && (value.startsWith('/') || !(/[@/\s]|^[^:]*:\d*$/.test(value)))

const kind = (problem: string, takes: Kind['takes']): Kind => ({ takes, problem })

export const TEXT = kind('must be a string', isText)
export const NAME = kind('must be a string that is not a URL: give a URL as `connection` itself, or as its `connectionString`', isName)
export const HOST = kind('must be only a name or an address: give a URL as `connection` itself, or as its `connectionString`, and the port as `port`', isHost)
export const PASSWORD = kind('must be a string, or a function that returns one', value => isText(value) || isFunction(value))
export const FLAG = kind('must be true or false', value => typeof value === 'boolean')
export const TLS = kind('must be true, false, or an object of TLS options', value => typeof value === 'boolean' || isObject(value) || value === 'true' || value === 'no-verify')
export const TIME = kind(NO_TIME, value => value === false || isIntegerIn(value, 0, MAX_MS))
export const SECONDS = kind(`must be an integer of at most ${MAX_SECONDS} seconds (24.8 days)`, value => isIntegerIn(value, 0, MAX_SECONDS))
export const SOME = kind('must be an integer of at least 1', value => value === Infinity || isIntegerIn(value, 1, Infinity))
export const COUNT = kind('must be an integer of at least 0', value => isIntegerIn(value, 0, Infinity))
export const FUNCTION = kind('must be a function', isFunction)
export const OBJECT = kind('must be an object', value => isObject(value) || isFunction(value))
/** Members that would change the format of results. */
export const OFF = kind('is not supported: the store needs results in text format, on a connection for statements', value => value === false)
