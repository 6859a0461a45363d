import type { Output } from './output'
import { UsageError } from './usage'

/**
 * Whether a person says yes.
 * @throws {UsageError} where nobody can be asked
 */
export async function isMeant({ json, log }: Output, command: string, question: string): Promise<boolean> {
  if (json || !process.stdin.isTTY) throw new UsageError(`${command} deletes data and nobody can be asked here: add --yes`)
  return await log.prompt(question, { type: 'confirm', initial: false }) === true
}
