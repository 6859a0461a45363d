import type { Session, StreamTables } from '../db/types'

/** The calls of one key that go out together, and the one input that stands for all of them. */
export interface Group<I> {
  calls: { input: I }[]
  folded: I
}

/** An operation that can be sent alone, or together with others of its kind. */
export interface Operation<I, R> {
  one(session: Session, tables: StreamTables, input: I): Promise<R>
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

export type Send = <I, R>(operation: Operation<I, R>, call: Call<I>) => Promise<R>
