import { drift } from '../runtime/core/migrate/drift'
import { plan } from '../runtime/core/migrate/plan'
import { storeCommand, withDatabase } from './command'
import { describePlan } from './migrate'
import { EXIT } from './usage'

export const statusCommand = storeCommand({
  name: 'status',
  description: 'Version of the schema, pending migrations, and drift; exit code 3 when there is any',
  onlyLooks: true,
  args: {},
  run: ({ output, settings }) => withDatabase(settings, async (db, target) => {
    const found = await plan(db, settings.names)
    // A schema that is behind differs from this build's, of course.
    const drifted = found.version < found.latest ? [] : await drift(db, settings.names)
    output.result({ ...target, ...found, drift: drifted }, [
      ...describePlan(found),
      ...drifted.flatMap(({ level, message, advice }) => [`${level} ${message}`, `     ${advice}`]),
      ...(found.pending.length === 0 && drifted.length === 0 ? ['no drift'] : []),
    ])
    return found.pending.length > 0 || drifted.length > 0 ? EXIT.findings : EXIT.done
  }),
})
