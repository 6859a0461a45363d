import type { Send } from '../batch/operation'
import type { Scope } from './scope'

/** Sends each call in a statement of its own. */
export const sendAlone = (use: Scope['use']): Send => (operation, { input }) =>
  use((session, tables) => operation.one(session, tables, input))
