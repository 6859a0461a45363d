import { stripVTControlCharacters } from 'node:util'
import { renderUsage, runCommand } from 'citty'
import type { CommandDef } from 'citty'
import { messageOf } from '../runtime/core/shared/errors'
import { log } from './output'
import { EXIT, UsageError, hint, isUsageError } from './usage'

/**
 * Runs a command line. Prints only the message of an error: it says what to do, while its stack trace and cause may
 * contain the connection. Sets `process.exitCode` instead of calling `process.exit`, so that pending work is finished.
 */
export async function main(root: CommandDef, rawArgs: string[], version: string): Promise<void> {
  // A reader that closes the pipe early (`| head`) is not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
  const words = rawArgs.slice(0, rawArgs.includes('--') ? rawArgs.indexOf('--') : undefined)
  if (words[0] === '--version') return void process.stdout.write(`${version}\n`)
  const { command, parent, next } = follow(root, words)
  // A group of commands without a subcommand prints its help.
  if (words.includes('--help') || words.includes('-h') || (command.subCommands && next === undefined)) return help(command, parent)
  try {
    if (command.subCommands) {
      const known = Object.keys(command.subCommands)
      throw new UsageError(`unknown command ${JSON.stringify(next)}${hint('', next!, known) || `: there are ${known.join(', ')}, which come before the options`}`)
    }
    await runCommand(root, { rawArgs })
  }
  catch (error) {
    const isUsage = isUsageError(error)
    process.exitCode = isUsage ? EXIT.usage : EXIT.error
    log.error(isUsage ? `${stripVTControlCharacters(error.message)}; --help lists the options` : messageOf(error))
  }
}

/** Resolves the first words to a command; `next` is the first word that is not a subcommand. */
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
