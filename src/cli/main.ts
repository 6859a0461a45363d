import { stripVTControlCharacters } from 'node:util'
import { renderUsage, runCommand } from 'citty'
import type { CommandDef } from 'citty'
import { messageOf } from '../runtime/core/errors'
import { log } from './output'
import { EXIT, isUsageError } from './usage'

/**
 * Runs a command line. Errors of the store say what to do; a stack trace and the connection inside them would not
 * help. Never ends the process: what is under way is finished, and `process.exitCode` says how it went.
 */
export async function main(root: CommandDef, rawArgs: string[], version: string): Promise<void> {
  // A reader that has seen enough (`| head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  const words = rawArgs.slice(0, rawArgs.includes('--') ? rawArgs.indexOf('--') : undefined)
  if (words.includes('--help') || words.includes('-h')) return help(root, words)
  if (words[0] === '--version') return void process.stdout.write(`${version}\n`)
  try {
    await runCommand(root, { rawArgs })
  }
  catch (error) {
    const isUsage = isUsageError(error)
    process.exitCode = isUsage ? EXIT.usage : EXIT.error
    log.error(isUsage ? `${stripVTControlCharacters(error.message)}; --help says what can be given` : messageOf(error))
  }
}

/** Prints the usage of the command that the words lead to. */
async function help(root: CommandDef, words: string[]): Promise<void> {
  let [command, parent]: [CommandDef, CommandDef | undefined] = [root, undefined]
  for (const word of words) {
    const next = (command.subCommands as Record<string, CommandDef> | undefined)?.[word]
    if (!next) break
    ;[command, parent] = [next, command]
  }
  const usage = await renderUsage(command, parent)
  process.stdout.write(`${process.stdout.isTTY ? usage : stripVTControlCharacters(usage)}\n`)
}
