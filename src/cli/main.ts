import { stripVTControlCharacters } from 'node:util'
import { renderUsage, runCommand } from 'citty'
import type { CommandDef } from 'citty'
import { messageOf } from '../runtime/core/shared/errors'
import { log } from './output'
import { EXIT, UsageError, hint, isUsageError } from './usage'

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
  if (words[0] === '--version') return void process.stdout.write(`${version}\n`)
  const { command, parent, next } = follow(root, words)
  // A group of commands without one of them has nothing to run.
  if (words.includes('--help') || words.includes('-h') || (command.subCommands && next === undefined)) return help(command, parent)
  try {
    if (command.subCommands) throw new UsageError(`unknown command ${JSON.stringify(next)}${hint('', next!, Object.keys(command.subCommands))}`)
    await runCommand(root, { rawArgs })
  }
  catch (error) {
    const isUsage = isUsageError(error)
    process.exitCode = isUsage ? EXIT.usage : EXIT.error
    log.error(isUsage ? `${stripVTControlCharacters(error.message)}; --help says what can be given` : messageOf(error))
  }
}

/** The command that the first words lead to, and the word after them. */
function follow(root: CommandDef, words: string[]): { command: CommandDef, parent: CommandDef | undefined, next: string | undefined } {
  let [command, parent]: [CommandDef, CommandDef | undefined] = [root, undefined]
  const names = words.filter(word => !word.startsWith('-'))
  for (const [at, name] of names.entries()) {
    const commands = command.subCommands as Record<string, CommandDef> | undefined
    if (!commands || !Object.hasOwn(commands, name)) return { command, parent, next: names[at] }
    ;[command, parent] = [commands[name]!, command]
  }
  return { command, parent, next: undefined }
}

async function help(command: CommandDef, parent: CommandDef | undefined): Promise<void> {
  const usage = await renderUsage(command, parent)
  process.stdout.write(`${process.stdout.isTTY ? usage : stripVTControlCharacters(usage)}\n`)
}
