import { StoreError } from '../shared/errors'
import { leadingWords } from '../sql/leadingWords'
import type { Statements } from './transactionScope'

const ENDINGS = new Set(['commit', 'end', 'abort', 'rollback', 'begin', 'start'])
const COPIED = /\bstd(?:in|out)\b/i

// Statements whose effect ends with the transaction or is stored in tables.
const PASSING = new Set([
  'select', 'with', 'values', 'table', 'insert', 'update', 'delete', 'merge', 'copy', 'explain', 'show', 'lock', 'truncate', 'notify', 'call',
  'savepoint', 'release', 'rollback', 'fetch', 'move', 'close', 'declare', 'alter', 'drop', 'grant', 'revoke', 'comment', 'analyze', 'refresh', 'reindex',
])
const SET_PASSING = new Set(['local', 'constraints', 'transaction'])
// Parts of such statements that outlive the transaction: an update of `pg_settings` changes a setting, and `explain
// analyze` executes the statement it explains.
const LASTING = /\bpg_(?:try_)?advisory_lock|\bpg_temp\b|\bupdate\b.+\bpg_settings\b|\bwith\s+hold\b|\b(?:into|create)\s+(?:(?:local|global)\s+)?temp/is
// Simple arguments of `set_config`, the last of which is true.
const SETS_LOCAL = /^"?\s*\((?:'[^'\\]*'|\$(?=\d)|[\w\s,.:])*,\s*true\s*\)/i

/**
 * Resets session settings, on the server process where they were set. Deferred constraints are checked first, while the
 * settings still apply.
 */
export const RESET_SETTINGS = 'set constraints all immediate; reset session authorization; reset role; reset all'
/** Removes cursors, temporary tables and prepared statements of the session. */
export const CLOSE_ALL = 'close all; discard temp; deallocate all'

/**
 * Refuses SQL of the caller that would end the surrounding transaction, or wait for data that is never sent.
 * @throws {StoreError} INVALID_CALL
 */
export function requireOrdinary(text: string): void {
  const [first = '', second, third] = leadingWords(text, 3)
  if (endsTransaction(first, second, third)) {
    throw new StoreError('INVALID_CALL', `\`${first}\` in query() would end the transaction in the middle of its work: return from the callback to commit, throw to roll back (one of your own client ends on that client); savepoints may be used`)
  }
  if (first === 'copy' && COPIED.test(text)) {
    throw new StoreError('INVALID_CALL', '`copy` from stdin or to stdout needs a stream, which query() does not have: insert the rows of `pg_catalog.unnest($1::text[])`, select the rows, or copy on a client of your own')
  }
}

function endsTransaction(first: string, second: string | undefined, third: string | undefined): boolean {
  if (first === 'prepare') return second === 'transaction'
  if (first === 'rollback') return second !== 'to' && third !== 'to'
  return ENDINGS.has(first)
}

/** Whether a statement may have effects on the connection that outlive its transaction. */
export function mayLast(text: string): boolean {
  const [first, second = ''] = leadingWords(text, 2)
  const passes = first === 'set' ? SET_PASSING.has(second) : first === undefined || PASSING.has(first)
  return !passes || LASTING.test(text) || setsForSession(text)
}

/** A `set_config` that is not recognizably local counts as lasting: a false positive only costs a new connection. */
function setsForSession(text: string): boolean {
  return text.split(/\bset_config\b/i).slice(1).some(call => !SETS_LOCAL.test(call))
}

/** The statements of one transaction, including SQL of the caller. */
export interface CallersTransaction {
  statements: Statements
  /** @throws {StoreError} INVALID_CALL when a statement was refused: the transaction has to be rolled back */
  check(): void
  /** Whether statements of the caller may have changed the state of the connection. */
  isChanged(): boolean
}

/** Watches the caller's SQL in a transaction. A refused statement aborts the transaction as a failed one does: all later ones are refused. */
export function withCallersSql(on: Statements): CallersTransaction {
  let refusal: StoreError | undefined
  let changed = false
  const open = <A extends unknown[], T>(send: (...args: A) => Promise<T>) => (...args: A): Promise<T> => refusal ? Promise.reject(refusal) : send(...args)
  return {
    statements: {
      query: open(on.query) as Statements['query'],
      queryLists: open(on.queryLists),
      script: open(on.script),
      raw: open(async (text, values) => {
        try {
          requireOrdinary(text)
          changed ||= mayLast(text)
          return await on.raw(text, values)
        }
        catch (error) {
          if (isInvalidCall(error)) refusal ??= error
          throw error
        }
      }),
    },
    check() {
      if (refusal) throw refusal
    },
    isChanged: () => changed,
  }
}

const isInvalidCall = (error: unknown): error is StoreError => error instanceof StoreError && error.code === 'INVALID_CALL'
