import type { Db, Session } from '../db/types'
import { StoreError } from '../shared/errors'
import { placeOf, quoteIdentifier } from '../shared/identifier'
import { fixSearchPath, locked, neverIdleOut } from './migrationLock'
import type { MigrationStatement } from './statements'
import { statementsOf } from './statements'
import type { Migration, MigrationProgress, SchemaNames } from './types'
import { checkedState, ensureVersionTable, migrationFailed, record } from './versions'

export type OnProgress = (progress: MigrationProgress) => void

/**
 * Applies the migration after `version`, which runs without a transaction, statement by statement. Where possible, a
 * statement is committed together with the record that it is done; the others can be run repeatedly.
 * @returns true when this process applied it, false when another one did
 * @throws {StoreError} MIGRATION_FAILED; the next run continues at the statement that failed
 */
export async function applyStatements(
  db: Db, names: SchemaNames, migrations: Migration[], version: number, onProgress: OnProgress,
): Promise<boolean> {
  const migration = migrations[version]!
  const run = async (stillLocked: () => Promise<unknown>): Promise<boolean> => {
    const state = await checkedState(db, names, migrations)
    if (state.version !== version) return false
    await runAll({ db, names, migration, stillLocked, onProgress }, state.unfinished?.step ?? 0, async (session) => {
      await ensureVersionTable(session, names, state)
    })
    return true
  }
  // No other process can have the database open, so no lock is needed.
  if (!db.flags.shared) return run(async () => {})
  if (db.flags.connections === 'one') {
    throw new StoreError(
      'MIGRATION_FAILED',
      `migration ${migration.version} (${migration.name}) runs outside of a transaction and needs a second connection to hold the lock: raise \`poolSize\` to 2, or run \`npx nvent-store migrate\``,
      { details: { ...placeOf(names), version: migration.version } },
    )
  }
  return locked(db, names, async (holder) => {
    await neverIdleOut(holder)
    return run(() => holder.query({ text: 'select 1', values: [] }))
  })
}

interface Run {
  db: Db
  names: SchemaNames
  migration: Migration
  /** Rejects when the transaction that holds the lock has ended: another process may have taken the lock. */
  stillLocked(): Promise<unknown>
  onProgress: OnProgress
}

async function runAll(run: Run, done: number, prepare: (session: Session) => Promise<void>): Promise<void> {
  const { db, names, migration } = run
  const statements = statementsOf(migration, names)
  await db.atomic(async (session) => {
    await prepare(session)
    await record(session, names, migration, done < statements.length ? done : null)
  })
  for (const [at, statement] of statements.entries()) {
    if (at < done) continue
    const progress = { version: migration.version, name: migration.name, statement: at + 1, statements: statements.length, rows: 0 }
    const finish = (session: Session) => record(session, names, migration, at + 1 < statements.length ? at + 1 : null)
    try {
      await run.stillLocked()
      run.onProgress(progress)
      await runners[statement.kind](run, statement, finish, progress)
    }
    catch (error) {
      const what = `stopped at statement ${at + 1} of ${statements.length}, where the next run goes on`
      throw migrationFailed(names, migration, what, error, { statement: at + 1 })
    }
  }
}

type Runner = (run: Run, statement: MigrationStatement, finish: (session: Session) => Promise<void>, progress: MigrationProgress) => Promise<void>

const runners: Record<MigrationStatement['kind'], Runner> = {
  async plain({ db }, { text }, finish) {
    await db.atomic(async (session) => {
      await fixSearchPath(session)
      await session.script(text)
      await finish(session)
    })
  },

  async batched({ db, stillLocked, onProgress }, { text }, finish, progress) {
    for (let rows = 1; rows > 0;) {
      await stillLocked()
      rows = await db.atomic(async (session) => {
        await fixSearchPath(session)
        const { count } = await session.query({ text, values: [] })
        if (count === 0) await finish(session)
        return count
      })
      progress.rows += rows
      if (rows > 0) onProgress(progress)
    }
  },

  async outside({ db, names }, { text, index }, finish) {
    if (index === undefined || await clearIndex(db, names, index)) await db.script(text)
    await db.atomic(finish)
  },
}

/** Drops the invalid index of an interrupted build. False when the index exists and is complete. */
async function clearIndex(db: Db, { schema }: SchemaNames, index: string): Promise<boolean> {
  const { rows: [found] } = await db.query<{ indisvalid: boolean }>({
    text: `select i.indisvalid from pg_catalog.pg_index i
      join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1::text and c.relname = $2::text`,
    values: [schema, index],
  })
  if (found && !found.indisvalid) await db.script(`drop index concurrently ${quoteIdentifier(schema)}.${quoteIdentifier(index)}`)
  return !found?.indisvalid
}
