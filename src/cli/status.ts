import { drift } from '../runtime/core/schema/drift'
import { plan } from '../runtime/core/schema/migrationPlan'
import { describeBehind, sequencesBehind } from '../runtime/core/schema/sequences'
import { storeCommand, withDatabase } from './command'
import { describePlan } from './migrate'
import { EXIT } from './usage'

export const statusCommand = storeCommand({
  name: 'status',
  description: 'Version of the schema, pending migrations, drift, and sequences behind their rows; exit code 3 when there is any',
  onlyLooks: true,
  args: {},
  run: ({ output, settings }) => withDatabase(settings, async (db, target) => {
    const found = await plan(db, settings.names)
    // Not compared while migrations are pending: the schema would always differ.
    const drifted = found.version < found.latest ? [] : await drift(db, settings.names)
    const behind = found.version < found.latest ? [] : await sequencesBehind(db, settings.names)
    output.result({ ...target, ...found, drift: drifted, sequences: behind }, [
      ...describePlan(found),
      ...drifted.flatMap(({ level, message, advice }) => [`${level} ${message}`, `     ${advice}`]),
      ...behind.flatMap(each => [`fail ${describeBehind(each)}: it assigns ids that are in use`, `     ${each.statement}`]),
      ...(found.pending.length === 0 && drifted.length === 0 ? ['no drift'] : []),
    ])
    return found.pending.length > 0 || drifted.length > 0 || behind.length > 0 ? EXIT.findings : EXIT.done
  }),
})
