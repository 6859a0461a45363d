import { MAX_MS } from '../../shared/timer'

/** What `pg` takes as a member of a connection. Another kind reaches its timers and sockets, and does harm there. */
export interface Kind {
  takes(value: unknown): boolean
  /** In words that follow the name of the member. */
  problem: string
}

const NO_TIME = `must be an integer of at most ${MAX_MS} milliseconds (24.8 days)`
const MAX_SECONDS = Math.floor(MAX_MS / 1_000)

const isFunction = (value: unknown): boolean => typeof value === 'function'
const isObject = (value: unknown): boolean => typeof value === 'object'

/** A number, or its digits, as the environment has them. */
export const isWhole = (value: unknown, min: number, max: number): boolean =>
  (typeof value === 'number' || typeof value === 'string') && /^\d+$/.test(String(value)) && Number(value) >= min && Number(value) <= max

const isText = (value: unknown): value is string => typeof value === 'string'
// It would be shown as the name it stands for, with the password in it.
const isName = (value: unknown): boolean => isText(value) && !value.includes('://')
const isHost = (value: unknown): boolean => isText(value) && (value.startsWith('/') || !(/[@/\s]|^[^:]*:\d*$/.test(value)))

const kind = (problem: string, takes: Kind['takes']): Kind => ({ takes, problem })

export const TEXT = kind('must be a text', isText)
export const NAME = kind('must be a text, and no URL: that is the whole of `connection`, or its `connectionString`', isName)
export const HOST = kind('must be a name or an address alone: a URL is the whole of `connection`, or its `connectionString`, and the port is `port`', isHost)
export const PASSWORD = kind('must be a text, or a function that gives one', value => isText(value) || isFunction(value))
export const FLAG = kind('must be true or false', value => typeof value === 'boolean')
export const TLS = kind('must be true, false, or an object of TLS options', value => typeof value === 'boolean' || isObject(value) || value === 'true' || value === 'no-verify')
export const TIME = kind(NO_TIME, value => value === false || isWhole(value, 0, MAX_MS))
export const SECONDS = kind(`must be an integer of at most ${MAX_SECONDS} seconds (24.8 days)`, value => isWhole(value, 0, MAX_SECONDS))
export const SOME = kind('must be an integer of at least 1', value => value === Infinity || isWhole(value, 1, Infinity))
export const COUNT = kind('must be an integer of at least 0', value => isWhole(value, 0, Infinity))
export const FUNCTION = kind('must be a function', isFunction)
export const OBJECT = kind('must be an object', value => isObject(value) || isFunction(value))
/** What would change the answers that the store reads. */
export const OFF = kind('can\'t work: the store reads answers as texts, of a connection for statements', value => value === false)
