import type { InOrder, Send, Use } from './operation'

/** Sends each call in a statement of its own. */
export const sendAlone = (use: Use): Send => (operation, { input }) =>
  use((session, tables) => operation.one(session, tables, input))

/** The same, in the order of its key. */
export const sendInOrder = (inOrder: InOrder): Send => (operation, { key, input }) =>
  inOrder([key], (session, tables) => operation.one(session, tables, input))
