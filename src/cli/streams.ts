import { readOnlyStore } from '../runtime/core/admin/readOnly'
import { streamTableSizes } from '../runtime/core/admin/streamTableSizes'
import { listTables } from '../runtime/core/partitions/subjectTables'
import { storeCommand, withDatabase } from './command'
import { writeTextCursor } from '../runtime/core/sql/cursor'
import { columns, visible } from './output'
import { integerFlag } from './usage'

export const streamsCommand = storeCommand({
  name: 'streams',
  description: 'List subjects, or the tables of generic streams',
  onlyLooks: true,
  args: {
    glob: { type: 'positional', required: false, default: '*', description: 'Which subjects: * matches any characters, ? one' },
    tables: { type: 'boolean', description: 'List tables instead' },
    limit: { type: 'string', default: '100', description: 'Maximum number of subjects', valueHint: 'n' },
    after: { type: 'string', description: 'Continue after this subject', valueHint: 'subject' },
  },
  run: ({ args, output, settings }) => {
    const limit = integerFlag('--limit', args.limit, 1)
    return withDatabase(settings, async (db) => {
      if (args.tables) {
        const prefixes = new Map((await listTables(db, settings.names)).map(({ tableName, subjectPrefix }) => [tableName, subjectPrefix]))
        const tables = (await streamTableSizes(db, settings.names)).map(table => ({ ...table, subjectPrefix: prefixes.get(table.tableName) ?? null }))
        return output.result(tables, columns(tables.map(({ tableName, subjectPrefix, rows, bytes }) => [
          tableName, subjectPrefix === null ? '(all others)' : `${subjectPrefix}:*`, `${rows} events`, `${Math.ceil(bytes / 1024)} kB`,
        ])))
      }
      const { streams } = await readOnlyStore(db, settings.names).streams({ glob: args.glob, limit, cursor: writeTextCursor(args.after ?? '') })
      const subjects = streams.map(({ subject, version, lastTs }) => ({ subject, version, lastTs }))
      output.result(subjects, columns(subjects.map(({ subject, version, lastTs }) => [visible(subject), `version ${version}`, new Date(lastTs).toISOString()])))
    })
  },
})
