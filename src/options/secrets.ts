import { StoreError } from '../runtime/core/shared/errors'
import { AMBIENT, isPlain, isReference } from '../runtime/server/references'
import type { EnvReference, Env } from '../runtime/server/references'
import { formsOf } from './secretForms'
import type { WrittenConfig } from './written'

/** A part of a string that would become part of the build. */
interface Part {
  path: string
  /** The whole string. */
  text: string
  value: string
  /** Whether this is the value of a password or key. */
  isSecret: boolean
}

interface Held {
  name: string
  forms: string[]
  looksSecret: boolean
}

const SECRET_NAME = /pass|pwd|secret|token|key|cred|auth|private|dsn/i
// Detected by its content: together with a certificate it may be in a variable or member with an inconspicuous name.
const PRIVATE_KEY = /-----BEGIN [^-]*PRIVATE KEY-----.*?-----END [^-]*PRIVATE KEY-----/s
const SECRET_FIELD = /^(?:password|passphrase|key|pfx)$/
const SECRET_QUERY = /pass|secret|token/i
// scheme://user:PASSWORD@… , also where the rest is not a valid URL.
const URL_PASSWORD = /^[a-z][a-z\d+.-]*:\/\/[^:/?#]*:(.+)@[^@]*$/i

// Shorter values, and these words, occur in many places by coincidence.
const TELLING_LENGTH = 8
const TELLING_LENGTH_OF_PASSWORD = 4
const COMMON = new Set(['postgres', 'postgresql', 'password', 'localhost', 'database', 'development', 'production', '127.0.0.1'])

/**
 * Refuses a config that would write a secret into the build: a string that contains the value of an environment
 * variable (plain, encoded or a part of it), or a computed password. References to variables are accepted.
 * @throws {StoreError} INVALID_OPTION with the names of the option and the variable, never with the value
 */
export function refuseSecrets(config: unknown, path: string, env: Env, written?: WrittenConfig): void {
  const held = heldBy(env)
  for (const part of partsOf(config, path, false)) {
    const holder = held.find(each => holds(part, each, written))
    if (holder) throw refused(part.path, `holds the value of the environment variable ${holder.name}`, holder.name)
    if (part.isSecret && written?.isComputed(part.text, part.value)) throw refused(part.path, 'holds a password or key that is not written in the config file as it is')
  }
}

function refused(path: string, problem: string, variable?: string): StoreError {
  return new StoreError('INVALID_OPTION', `\`${path}\` ${problem}, which would become part of the build. Leave it out, and set the whole connection at run time: NUXT_NVENT_STORE_POSTGRES_CONNECTION or DATABASE_URL. Or use a variable unchanged, \`connection: process.env.NAME\` or \`password: process.env.NAME\`: it is read at run time`, {
    details: { option: path, ...variable !== undefined && { variable } },
  })
}

function holds({ text, value, isSecret }: Part, { forms, looksSecret }: Held, written: WrittenConfig | undefined): boolean {
  if (!isSecret && !looksSecret) return false
  // A URL that is a literal in the config file does not come from the environment.
  if (text !== value && written?.isWritten(text)) return false
  const parts = formsOf(value)
  if (isSecret && parts.some(part => forms.includes(part))) return true
  const enough = isSecret && looksSecret ? TELLING_LENGTH_OF_PASSWORD : TELLING_LENGTH
  const contained = parts.some(part => forms.some(form =>
    (isTelling(form, enough) && part.includes(form)) || (looksSecret && isTelling(part, TELLING_LENGTH) && form.includes(part))))
  return contained && !written?.isWritten(value)
}

const isTelling = (form: string, length: number): boolean => form.length >= length && !COMMON.has(form)

/** The values of the environment. `looksSecret`: the name of the variable suggests it, or it is the password of a URL. */
function heldBy(env: Env): Held[] {
  return Object.entries(env).flatMap(([name, value]) => {
    if (!value?.trim() || AMBIENT.test(name)) return []
    const password = URL_PASSWORD.exec(value)?.[1]
    const values = password === undefined ? SECRET_NAME.test(name) ? [value] : PRIVATE_KEY.exec(value) ?? [] : [password]
    const secrets = [...values, ...secretsOfJson(value)].map(secret => ({ name, forms: formsOf(secret), looksSecret: true }))
    return secrets.length > 0 ? secrets : [{ name, forms: formsOf(value), looksSecret: false }]
  })
}

function secretsOfJson(value: string): string[] {
  if (!value.trimStart().startsWith('{')) return []
  try {
    return [...partsOf(JSON.parse(value), '', false)].filter(part => part.isSecret).map(part => part.value)
  }
  catch {
    return []
  }
}

function* partsOf(value: unknown, path: string, isSecret: boolean): Generator<Part> {
  if (typeof value === 'string') yield* partsOfText(value, path, isSecret)
  else if (Array.isArray(value)) for (const [at, item] of value.entries()) yield* partsOf(item, `${path}.${at}`, isSecret)
  else if (isReference(value)) yield* aroundReference(value, path)
  else if (isPlain(value)) for (const [field, member] of Object.entries(value)) yield* partsOf(member, `${path}.${field}`, isSecret || SECRET_FIELD.test(field))
}

// `_` replaces the password, which stays in the environment.
function* aroundReference({ before = '', after = '' }: EnvReference, path: string): Generator<Part> {
  if (before + after === '') return
  for (const part of partsOfText(`${before}_${after}`, path, false)) {
    if (part.value !== '_') yield part
  }
}

function* partsOfText(text: string, path: string, isSecret: boolean): Generator<Part> {
  const part = (value: string, secret: boolean): Part => ({ path, text, value, isSecret: secret })
  const url = text.includes('://') && URL.canParse(text) ? new URL(text) : undefined
  const password = URL_PASSWORD.exec(text)?.[1]
  if (password !== undefined) yield part(password, true)
  if (!url) return yield part(text, isSecret || PRIVATE_KEY.test(text))
  for (const value of [url.username, url.host, url.pathname, url.hash]) yield part(value, false)
  for (const [name, value] of url.searchParams) yield part(value, SECRET_QUERY.test(name))
}
