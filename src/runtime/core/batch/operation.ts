import type { Session, StreamTables } from '../db/types'
import type { Span } from './lanes'

/** The calls of one key that go out together, and the one input that stands for all of them. */
export interface Group<I> {
  calls: { input: I }[]
  folded: I
}

/** An operation that is sent alone. */
export interface LoneOperation<I, R> {
  one(session: Session, tables: StreamTables, input: I): Promise<R>
}

/** An operation that can be sent alone, or together with others of its kind. */
export interface Operation<I, R> extends LoneOperation<I, R> {
  /**
   * Sends several inputs in one statement.
   * @returns the results of each group, one for each call; undefined for a group that has to be sent call by call
   */
  many(session: Session, tables: StreamTables, groups: Group<I>[]): Promise<(R[] | undefined)[]>
  /** One input that does what two do one after the other; undefined when there is none, and the second has to wait. */
  fold(first: I, second: I): I | undefined
}

export interface Call<I> {
  /** Calls of one operation and kind can share a statement. */
  kind: string
  /** Calls of one key keep their order. */
  key: string
  input: I
  /** About how much of a statement it takes. */
  bytes: number
}

export type Work<R> = (session: Session, tables: StreamTables) => Promise<R>

/** Runs work on the pool, or in the transaction it belongs to. */
export type Use = <R>(work: Work<R>) => Promise<R>

export type SendCall = <I, R>(operation: Operation<I, R>, call: Call<I>) => Promise<R>

/** Runs a call that may take several statements, once the earlier calls on its keys have ended and before the later ones. */
export type InOrder = <R>(keys: readonly string[] | Span, work: Work<R>) => Promise<R>

/** Calls in the order of each key, whether they share statements or not. */
export interface Queue {
  send: SendCall
  inOrder: InOrder
}
