import type { Socket } from 'node:net'
import { deserialize, serialize } from 'node:v8'
import type { PGlite } from '@electric-sql/pglite'
import { StoreError } from '../../shared/errors'
import type { StoreErrorCode } from '../../shared/errors'
import type { Statement } from '../../sql/statement'
import { holdsDatabase } from './embeddedDirectory'
import { toStoreError } from '../errors'
import { findHolder } from './directoryLock'
import type { Talk } from './lockClaim'
import { lockedBy } from './lockErrors'
import { linesOf } from './lockSocket'
import { statementsOn } from './pgliteStatements'
import type { Db, Result, Row, Session } from '../types'

const KINDS = ['query', 'queryLists', 'raw'] as const
type Kind = typeof KINDS[number]

interface Question extends Statement {
  id: number
  kind: Kind
}

type Answer = { id: number, result: unknown } | { id: number, error: { code: StoreErrorCode, message: string, details: Record<string, unknown>, retryable: boolean } }

// One message per line. JSON would not preserve dates.
const toLine = (value: Question | Answer) => `${serialize(value).toString('base64')}\n`
const fromLine = (line: string): unknown => deserialize(Buffer.from(line, 'base64'))

/** Answers queries that other processes of the same user send to the owner of a database, each in a read-only transaction. */
export function answerReaders(socket: Socket, database: () => Promise<PGlite>): void {
  linesOf(socket).on('line', (line) => {
    const question = questionOf(line)
    if (question) void answer(question, database).then(answered => socket.write(toLine(answered)))
    else socket.destroy()
  })
}

function questionOf(line: string): Question | undefined {
  try {
    const { id, kind, text, values } = fromLine(line) as Question
    return KINDS.includes(kind) ? { id, kind, text, values } : undefined
  }
  catch {
    // The line was not sent by this package.
    return undefined
  }
}

async function answer({ id, kind, text, values }: Question, database: () => Promise<PGlite>): Promise<Answer> {
  try {
    const result = await (await database()).transaction(async (tx) => {
      await tx.exec('set transaction read only')
      const on = statementsOn(tx)
      return kind === 'raw' ? on.raw(text, values) : on[kind]({ text, values })
    })
    return { id, result }
  }
  catch (error) {
    const { code, message, details, retryable } = toStoreError(error)
    return { id, error: { code, message, details, retryable } }
  }
}

/** @throws {StoreError} CONNECTION when the directory contains no database */
export async function requireDatabase(directory: string): Promise<void> {
  if (await holdsDatabase(directory)) return
  throw new StoreError('CONNECTION', `there is no embedded database in ${directory}: it is created when an app starts with it, or by \`npx nvent-store migrate\``, { details: { directory } })
}

/**
 * Opens a database for reading through the process that has it open; undefined when no process has.
 * @throws {StoreError} CONNECTION when there is no database (none is created), DATABASE_LOCKED when its owner can't be
 * reached
 */
export async function openReader(directory: string): Promise<Db | undefined> {
  await requireDatabase(directory)
  const holder = await findHolder(directory)
  if (!holder) return undefined
  if (!holder.talk) throw lockedBy(directory, await holder.owner())
  return readerOf(directory, holder.talk, holder.end)
}

function readerOf(directory: string, talk: Talk, end: () => void): Db {
  const waiting = new Map<number, { resolve(result: unknown): void, reject(error: Error): void }>()
  let last = 0
  const send = talk((line) => {
    const answered = fromLine(line) as Answer
    const call = waiting.get(answered.id)
    waiting.delete(answered.id)
    if ('error' in answered) call?.reject(errorOf(answered.error))
    else call?.resolve(answered.result)
  }, () => {
    for (const { reject } of waiting.values()) reject(ended(directory))
  })
  const ask = <T>(kind: Kind, { text, values }: Statement): Promise<T> => new Promise<unknown>((resolve, reject) => {
    const id = ++last
    waiting.set(id, { resolve, reject })
    if (!send(toLine({ id, kind, text, values }))) reject(ended(directory))
  }) as Promise<T>
  const session: Session = {
    inTransaction: false,
    query: <R extends Row>(statement: Statement) => ask<Result<R>>('query', statement),
    queryLists: statement => ask('queryLists', statement),
    raw: (text, values) => ask('raw', { text, values }),
    script: async text => void await ask('raw', { text, values: [] }),
    // The owner has one connection, which other processes must not hold: each statement runs in a transaction of its own.
    atomic: work => work({ ...session, inTransaction: true }),
  }
  return {
    ...session,
    driver: 'pglite',
    flags: { connections: 'one', shared: false },
    label: directory,
    pooler: async () => 'none',
    // There are no notifications: readers poll.
    listen: async () => async () => {},
    inspect: async () => {},
    releaseIdle: async () => {},
    close: async () => end(),
  }
}

function errorOf({ code, message, details, retryable }: Extract<Answer, { error: unknown }>['error']): StoreError {
  // The cause carries the SQLSTATE, which other code reads from it.
  return new StoreError(code, message, { details, retryable, cause: Object.assign(new Error(message), { code: details.sqlState }) })
}

function ended(directory: string): StoreError {
  return new StoreError('CLOSED', `the process that had the embedded database in ${directory} open has ended: retry`)
}
