import { doctor } from '../runtime/core/doctor/doctor'
import type { DoctorFinding } from '../runtime/core/doctor/doctor'
import { storeCommand, withUncheckedDatabase } from './command'
import { EXIT } from './usage'

const signs = { ok: '✔', warn: '⚠', fail: '✖' }

export const doctorCommand = storeCommand({
  name: 'doctor',
  description: 'Check everything the store needs of its database; exit code 3 when something fails',
  onlyLooks: true,
  args: {},
  run: ({ output, settings }) => withUncheckedDatabase(settings, async (db, target) => {
    const findings = await doctor(db, settings.names, { autoMigrate: settings.autoMigrate, prepare: settings.prepare })
    output.result({ ...target, findings }, findings.flatMap(lines))
    return findings.some(({ level }) => level === 'fail') ? EXIT.findings : EXIT.done
  }),
})

function lines({ check, level, message, advice }: DoctorFinding): string[] {
  return [`${signs[level]} ${check}: ${message}`, ...(advice === '' ? [] : [`  → ${advice.replaceAll('\n', '\n    ')}`])]
}
