import { StoreError } from '../shared/errors'
import { leadingWords } from '../sql/leadingWords'
import type { Statements } from './transactionScope'

const ENDINGS = new Set(['commit', 'end', 'abort', 'rollback', 'begin', 'start'])
const COPIED = /\bstd(?:in|out)\b/i

// Statements whose effect ends with the transaction, or lies in tables.
const PASSING = new Set([
  'select', 'with', 'values', 'table', 'insert', 'update', 'delete', 'merge', 'copy', 'explain', 'show', 'lock', 'truncate', 'notify', 'call',
  'savepoint', 'release', 'rollback', 'fetch', 'move', 'close', 'declare', 'alter', 'drop', 'grant', 'revoke', 'comment', 'analyze', 'refresh', 'reindex',
])
const SET_PASSING = new Set(['local', 'constraints', 'transaction'])
// Parts of those that last longer: to update `pg_settings` is to set, and what is explained may be carried out.
const LASTING = /\bpg_(?:try_)?advisory_lock|\bpg_temp\b|\bupdate\b.+\bpg_settings\b|\bwith\s+hold\b|\b(?:into|create)\s+(?:(?:local|global)\s+)?temp/is
// Plain arguments of `set_config`, the last of which is true.
const SETS_LOCAL = /^"?\s*\((?:'[^'\\]*'|\$(?=\d)|[\w\s,.:])*,\s*true\s*\)/i

/** Takes back what `set` has set, as long as the server process is the one it was set on. What was deferred is checked under it. */
export const RESET_SETTINGS = 'set constraints all immediate; reset session authorization; reset role; reset all'
/** Takes back what was opened or made for the session. */
export const CLOSE_ALL = 'close all; discard temp; deallocate all'

/**
 * Refuses the caller's own SQL that would end the transaction it is in, or wait for data that never comes.
 * @throws {StoreError} INVALID_CALL
 */
export function requireOrdinary(text: string): void {
  const [first = '', second, third] = leadingWords(text, 3)
  if (endsTransaction(first, second, third)) {
    throw new StoreError('INVALID_CALL', `\`${first}\` in query() would end the transaction in the middle of its work: return from the callback to commit, throw to roll back (one of your own client ends on that client); savepoints may be used`)
  }
  if (first === 'copy' && COPIED.test(text)) {
    throw new StoreError('INVALID_CALL', '`copy` from stdin or to stdout needs a stream, which query() has not: insert the rows of `pg_catalog.unnest($1::text[])`, select the rows, or copy on a client of your own')
  }
}

function endsTransaction(first: string, second: string | undefined, third: string | undefined): boolean {
  if (first === 'prepare') return second === 'transaction'
  if (first === 'rollback') return second !== 'to' && third !== 'to'
  return ENDINGS.has(first)
}

/** Whether something of a statement may stay on the connection after its transaction, for the next one there. */
export function mayLast(text: string): boolean {
  const [first, second = ''] = leadingWords(text, 2)
  const passes = first === 'set' ? SET_PASSING.has(second) : first === undefined || PASSING.has(first)
  return !passes || LASTING.test(text) || setsForSession(text)
}

/** What is not seen to be local is taken to last: that costs a connection, and nothing else. */
function setsForSession(text: string): boolean {
  return text.split(/\bset_config\b/i).slice(1).some(call => !SETS_LOCAL.test(call))
}

/** The statements of one transaction of the store, among them the caller's own. */
export interface CallersTransaction {
  statements: Statements
  /** @throws {StoreError} INVALID_CALL when a statement was refused: nothing of the transaction must be kept */
  check(): void
  /** Whether the connection may not be what it was before. */
  isChanged(): boolean
}

/** A statement that is refused ends the transaction, as one that fails does: all that follow are refused, too. */
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
