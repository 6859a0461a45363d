import type { Db } from '../db/types'
import { toStoreError } from '../db/errors'
import { namesOf } from '../sql/identifier'
import type { SchemaNames } from '../migrate/types'
import { clock, connection, connections, pooler, version } from './server'
import { deadTuples, longTransactions, settings } from './health'
import { drifted, indexes, rights, schema, sequences } from './schema'
import type { Check, DoctorFinding, DoctorOptions, Patient } from './types'
import { fail } from './types'

export type { DoctorFinding, DoctorOptions } from './types'

const checks: Check[] = [version, pooler, connections, clock, rights, schema, drifted, sequences, indexes, deadTuples, longTransactions, settings]

/**
 * Looks at everything a store needs of its database and says what to do about what is wrong. Changes nothing. A check
 * that can't be made is a finding of its own; without a connection there is that one finding only.
 */
export async function doctor(db: Db, names: SchemaNames, options: DoctorOptions = {}): Promise<DoctorFinding[]> {
  const patient: Patient = {
    db, names: namesOf(names.schema, names.prefix), options: { autoMigrate: true, prepare: true, longTransaction: 300, ...options },
  }
  const findings = await examine(connection, patient)
  if (findings.some(({ level }) => level === 'fail')) return findings
  for (const check of checks) {
    if (!check.server || db.flags.shared) findings.push(...await examine(check, patient))
  }
  return findings
}

async function examine({ name, run }: Check, patient: Patient): Promise<DoctorFinding[]> {
  try {
    return (await run(patient)).map(finding => ({ check: name, ...finding }))
  }
  catch (error) {
    return [{ check: name, ...fail(`could not be checked: ${toStoreError(error).message}`, 'the message says what is in the way') }]
  }
}
