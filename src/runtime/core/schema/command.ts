import type { SchemaNames } from './types'

/** The command that brings these tables up to date, for messages. */
export function migrateCommand({ schema, prefix }: SchemaNames): string {
  return `\`npx nvent-store migrate --schema ${shellWord(schema)} --prefix ${shellWord(prefix)}\``
}

function shellWord(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : `'${name.replaceAll('\'', '\'\\\'\'')}'`
}
