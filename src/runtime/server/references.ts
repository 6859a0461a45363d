/**
 * A string that stays in the environment. The build contains the names of the variables, and the running server reads
 * them: so no secret from the environment is in a file of the build.
 */
export interface EnvReference {
  /** Variables that had this value when the app was built, best match first. */
  $env: string[]
  /** The string around the secret when only a part of it, the password of a URL, comes from the environment. */
  before?: string
  after?: string
  /** The part is percent-encoded in the string and plain in the variable. */
  encoded?: boolean
}

export type Env = Record<string, string | undefined>

/** A referenced variable is not set at run time. `path` is the option that needs it. */
export class MissingVariable extends Error {
  constructor(readonly path: string, readonly variables: string[]) {
    const names = variables.length === 1 ? `the environment variable ${variables[0]}` : `one of the environment variables ${variables.join(', ')}`
    super(`\`${path}\` was read from the environment when the app was built and is not part of the build: set ${names}`)
  }
}

const SECRET_FIELDS = new Set(['connectionString', 'password', 'passphrase', 'key', 'cert', 'ca', 'pfx'])

// Variables that shells and npm set everywhere: a password that equals one of them does so by coincidence.
export const AMBIENT = /^(?:_|CI|COLOR|EDITOR|HOME|HOSTNAME|INIT_CWD|LANG|LANGUAGE|LC_.*|LOGNAME|MODE|NODE|NODE_ENV|OLDPWD|PATH|PWD|SHELL|SHLVL|TERM|TEST|TZ|USER|USERNAME|npm_(?:config|package|lifecycle|node|command|execpath).*)$/i
const TELLING = /pass|pwd|secret|token|key|cred|auth|pg|postgres|database|db|sql|url|uri|dsn|conn|cert|ca/i

// scheme://user:PASSWORD@host… A password may hold `@`, the host can't.
const URL_PASSWORD = /^([a-z][a-z\d+.-]*:\/\/[^:/?#]*:)(.+)(@[^@]*)$/i

// Not secret: a value that is a literal in the config file may equal a variable by coincidence.
const PLACE_FIELDS = new Set(['host', 'user', 'database'])

/**
 * At build time: replaces every secret of a connection that equals an environment variable by a reference to it. Also
 * host, user and database, unless they are literals in the config file.
 */
export function keepReferences(connection: unknown, env: Env, isWritten: (text: string) => boolean = () => true): unknown {
  return typeof connection === 'string' ? urlReference(connection, env) : keepIn(connection, env, isWritten)
}

function keepIn(value: unknown, env: Env, isWritten: (text: string) => boolean): unknown {
  if (Array.isArray(value)) return value.map(item => keepIn(item, env, isWritten))
  if (!isPlain(value)) return value
  const kept: Record<string, unknown> = {}
  for (const [field, member] of Object.entries(value)) {
    if (member === undefined || member === null) continue
    if (typeof member !== 'string') kept[field] = keepIn(member, env, isWritten)
    else if (field === 'connectionString') kept[field] = urlReference(member, env)
    else if (SECRET_FIELDS.has(field) || (PLACE_FIELDS.has(field) && !isWritten(member))) kept[field] = reference(member, env) ?? member
    else kept[field] = member
  }
  return kept
}

function urlReference(url: string, env: Env): string | EnvReference {
  const whole = reference(url, env)
  if (whole) return whole
  const [, before, password, after] = URL_PASSWORD.exec(url) ?? []
  if (before === undefined || password === undefined || after === undefined) return url
  const plain = reference(password, env)
  if (plain) return { ...plain, before, after }
  const decoded = decode(password)
  const encoded = decoded === undefined || decoded === password ? undefined : reference(decoded, env)
  return encoded ? { ...encoded, before, after, encoded: true } : url
}

function reference(value: string, env: Env): EnvReference | undefined {
  if (value === '') return undefined
  const names = Object.keys(env).filter(name => env[name] === value && !AMBIENT.test(name)).sort()
  const telling = names.filter(name => TELLING.test(name))
  if (telling.length > 0) return { $env: telling }
  return names.length > 0 ? { $env: names } : undefined
}

/**
 * At run time: replaces references by the values of the environment.
 * @throws {MissingVariable} when a variable that the build refers to is not set
 */
export function resolveReferences(value: unknown, env: Env, path: string): unknown {
  if (Array.isArray(value)) return value.map((item, at) => resolveReferences(item, env, `${path}.${at}`))
  if (isReference(value)) return read(value, env, path)
  if (!isPlain(value)) return value
  return Object.fromEntries(Object.entries(value).map(([field, member]) =>
    [field, resolveReferences(member, env, `${path}.${field}`)]))
}

/** Replaces every reference by an empty string, which Nitro can override with an environment variable at run time. */
export function dropReferences(value: unknown): unknown {
  if (isReference(value)) return ''
  if (Array.isArray(value)) return value.map(dropReferences)
  return isPlain(value) ? Object.fromEntries(Object.entries(value).map(([field, member]) => [field, dropReferences(member)])) : value
}

function read(reference: EnvReference, env: Env, path: string): string {
  const name = reference.$env.find(variable => env[variable])
  const text = name === undefined ? undefined : env[name]
  if (text === undefined) throw new MissingVariable(path, reference.$env)
  return `${reference.before ?? ''}${reference.encoded ? encodeURIComponent(text) : text}${reference.after ?? ''}`
}

export function isReference(value: unknown): value is EnvReference {
  return isPlain(value) && '$env' in value && Array.isArray(value.$env)
}

export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype as object) === null
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  }
  catch {
    return undefined
  }
}
