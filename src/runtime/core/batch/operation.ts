import type { Session, StreamTables } from '../db/types'
import type { Span } from './lanes'

/** Calls of one key that are sent together, and the single input that represents all of them. */
export interface Group<I> {
  calls: { input: I }[]
  folded: I
}

/** An operation that is sent alone. */
export interface LoneOperation<I, R> {
  one(session: Session, tables: StreamTables, input: I): Promise<R>
}

/** An operation that can be sent alone, or combined with others of its kind. */
export interface Operation<I, R> extends LoneOperation<I, R> {
  /**
   * Sends several inputs in one statement.
   * @returns for each group the results of its calls, or undefined when its calls have to be sent one by one
   */
  many(session: Session, tables: StreamTables, groups: Group<I>[]): Promise<(R[] | undefined)[]>
  /** A single input equivalent to `first` followed by `second`; undefined when there is none and the second has to wait. */
  fold(first: I, second: I): I | undefined
}

export interface Call<I> {
  /** Calls of the same operation and kind can share a statement. */
  kind: string
  /** Calls of the same key keep their order. */
  key: string
  input: I
  /** Approximate size of the parameters. */
  bytes: number
}

export type Work<R> = (session: Session, tables: StreamTables) => Promise<R>

/** Runs work on the pool, or in the transaction that the call belongs to. */
export type Use = <R>(work: Work<R>) => Promise<R>

export type SendCall = <I, R>(operation: Operation<I, R>, call: Call<I>) => Promise<R>

/** Runs a call that may need several statements: after the earlier calls on its keys have ended, and before later ones start. */
export type InOrder = <R>(keys: readonly string[] | Span, work: Work<R>) => Promise<R>

/** Runs calls in the order of each key, whether or not they share statements. */
export interface Queue {
  send: SendCall
  inOrder: InOrder
}
