import type { StatementContext } from '../sql/template'
import type { InOrder, SendCall, Use } from './operation'

/** How an API runs its calls. */
export interface TierScope {
  context: StatementContext
  /** Runs a call once the store is ready: on the pool, or in the transaction that it belongs to. */
  use: Use
  /** Sends an operation alone, or combined with concurrent ones of its kind. */
  send: SendCall
  /** Runs a call of several statements in the order of its keys. */
  inOrder: InOrder
  /** Sends an operation that reads a page. Such operations do not wait for each other. */
  sendRead: SendCall
}

/** Sends each call in a statement of its own. */
export const sendAlone = (use: Use): SendCall => (operation, { input }) =>
  use((session, tables) => operation.one(session, tables, input))

/** A scope whose calls run as they come, each in statements of its own: for one connection, which keeps their order. */
export function directScope(context: StatementContext, use: Use): TierScope {
  const send = sendAlone(use)
  return { context, use, send, sendRead: send, inOrder: (_, work) => use(work) }
}

/** Sends each call in a statement of its own, in the order of its key. */
export const sendInOrder = (inOrder: InOrder): SendCall => (operation, { key, input }) =>
  inOrder([key], (session, tables) => operation.one(session, tables, input))
