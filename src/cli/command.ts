import { resolve } from 'node:path'
import { defineCommand } from 'citty'
import type { ArgsDef, CommandDef, ParsedArgs } from 'citty'
import { createConnector } from '../runtime/core/db/connect'
import { openDb } from '../runtime/core/db/open'
import { requireDatabase } from '../runtime/core/db/pglite/pgliteReader'
import type { Db } from '../runtime/core/db/types'
import { explainRefused } from '../runtime/core/schema/rights'
import { resolveOptions } from '../runtime/core/options/resolve'
import type { StoreOptions } from '../runtime/core/options/types'
import { isPgliteUrl, pglitePath } from '../runtime/core/db/connection/pgliteUrl'
import { createStoreOn } from '../runtime/core/store'
import type { Store } from '../runtime/core/types'
import { describe } from '../runtime/server/target'
import type { Output } from './output'
import { createOutput, log } from './output'
import type { Settings } from './settings'
import { describeTarget, readSettings, targetFlags } from './settings'
import type { ExitCode } from './usage'
import { EXIT, UsageError, hint } from './usage'

type Args<A extends ArgsDef> = ParsedArgs<A & typeof targetFlags>

/** The target, with what the command may do: `onlyLook` means read-only, `makes` means create an embedded database. */
type CommandSettings = Settings & { onlyLook: boolean, makes: boolean }

export interface CommandContext<A extends ArgsDef> {
  args: Args<A>
  output: Output
  settings: CommandSettings
}

interface CommandDefinition<A extends ArgsDef> {
  name: string
  description: string
  args: A
  /** Read-only: it also works on an embedded database that an app has open. */
  onlyLooks?: boolean | ((args: Args<A>) => boolean)
  /** It creates the embedded database if it does not exist. */
  makes?: boolean
  /** Resolves with the exit code; undefined means `EXIT.done`. */
  run(context: CommandContext<A>): Promise<ExitCode> | Promise<void>
}

/** Makes a command with the flags that all commands have; its result becomes the exit code. */
export function storeCommand<const A extends ArgsDef>(definition: CommandDefinition<A>): CommandDef {
  const args = { ...definition.args, ...targetFlags }
  const { onlyLooks = false } = definition
  const command = defineCommand({
    meta: { name: definition.name, description: definition.description },
    args,
    async run({ args: given }) {
      refuseUnknown(args, given)
      const target = given as Args<Record<never, never>>
      const settings: CommandSettings = { ...await readSettings(target, log), onlyLook: typeof onlyLooks === 'function' ? onlyLooks(given as unknown as Args<A>) : onlyLooks, makes: definition.makes ?? false }
      process.exitCode = await definition.run({ args: given as unknown as Args<A>, output: createOutput(target.json ?? false), settings }) ?? EXIT.done
    },
  })
  return command as unknown as CommandDef
}

/** An unknown option or argument would otherwise be ignored, and the command would not do what the user intended. */
function refuseUnknown(known: ArgsDef, given: { _: string[], [name: string]: unknown }): void {
  const kebab = (name: string) => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
  const unknown = Object.keys(given).find(name => name !== '_' && !Object.hasOwn(known, kebab(name)))
  if (unknown !== undefined) throw new UsageError(`unknown option --${kebab(unknown)}${hint('--', kebab(unknown), Object.keys(known))}`)
  const positionals = Object.values(known).filter(({ type }) => type === 'positional').length
  if (given._.length > positionals) throw new UsageError(`unexpected argument ${JSON.stringify(given._[positionals])}`)
  // A known option in place of a value: the value was forgotten.
  const isNone = (value: unknown) => typeof value === 'string' && (value === '' || (value.startsWith('--') && Object.hasOwn(known, value.slice(2))))
  const empty = Object.entries(known).find(([name, { type }]) => type === 'string' && isNone(given[name]))
  if (empty) throw new UsageError(`--${empty[0]} needs a value`)
}

// One connection for the command and one for the lock of a migration; detecting a pooler takes two.
const POOL_SIZE = 3

const storeOptions = ({ names: { schema, prefix }, subjectPrefix }: Settings, connection: ReturnType<Settings['database']>['connection']) => ({
  connection, schema, prefix, subjectPrefix, poolSize: POOL_SIZE, autoMigrate: false, connectTimeout: 0, sweepInterval: 0, logger: log,
})

/** The target of a command, as part of its result; without secrets. */
export interface Target {
  database: string
  source: string
  schema: string
  prefix: string
}

/** Connects to the database within `connectTimeout` milliseconds, and runs `work` on it. */
export async function withDatabase<T>(settings: CommandSettings, work: (db: Db, target: Target) => Promise<T>, connectTimeout = 0): Promise<T> {
  const { options, targetOf } = await announce(settings)
  const connector = createConnector({ ...resolveOptions({ ...options, connectTimeout }), onlyLook: settings.onlyLook }, async (db) => {
    await db.query({ text: 'select 1', values: [] })
  })
  try {
    return await connector.use(({ db }) => work(db, targetOf(db.label)).catch(error => explainRefused(db, settings.names, error)))
  }
  finally {
    await connector.close()
  }
}

/** Runs `work` on the database without checking that it is reachable. */
export async function withUncheckedDatabase<T>(settings: CommandSettings, work: (db: Db, target: Target) => Promise<T>): Promise<T> {
  const { options, targetOf } = await announce(settings)
  const db = await openDb({ ...resolveOptions(options), onlyLook: settings.onlyLook })
  try {
    return await work(db, targetOf(db.label))
  }
  finally {
    await db.close()
  }
}

/** Runs `work` on a store that does not migrate. */
export async function withStore<T>(settings: CommandSettings, work: (store: Store) => Promise<T>, more: StoreOptions = {}): Promise<T> {
  const store = createStoreOn({ ...(await announce(settings)).options, ...more }, { onlyLook: settings.onlyLook })
  try {
    await store.ready()
    return await work(store)
  }
  finally {
    await store.close()
  }
}

/** Logs the chosen database and tables to stderr before the command does anything with them. */
async function announce(settings: CommandSettings) {
  const { connection, source } = settings.database()
  const { schema, prefix } = settings.names
  log.info(describeTarget(describe(connection), source, settings.names))
  const directory = isPgliteUrl(connection) ? pglitePath(connection) : undefined
  if (directory !== undefined && !settings.makes) await requireDatabase(resolve(directory))
  return {
    options: storeOptions(settings, connection),
    targetOf: (database: string): Target => ({ database, source, schema, prefix }),
  }
}
