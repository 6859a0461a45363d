import type { Db } from '../db/types'
import { toStoreError } from '../db/errors'
import { messageOf } from '../shared/errors'
import { isRefused } from '../schema/rights'
import { namesOf } from '../shared/identifier'
import type { SchemaNames } from '../schema/types'
import { clock, connectionCheck, connections, pooler, version } from './serverChecks'
import { deadTuples, longTransactions, settings } from './healthChecks'
import { drifted, indexes, rights, schema, sequences } from './schemaChecks'
import type { Check, DoctorFinding, DoctorOptions, Examined } from './types'
import { REFUSED, fail } from './types'

export type { DoctorFinding, DoctorOptions } from './types'

const checks: Check[] = [version, pooler, connections, clock, rights, schema, drifted, sequences, indexes, deadTuples, longTransactions, settings]

/**
 * Checks everything a store needs of its database, and advises how to fix what is wrong. Changes nothing. A check that
 * fails to run is a finding; those that lack a right are part of the finding on rights. Without a connection, that is
 * the only finding.
 */
export async function doctor(db: Db, names: SchemaNames, options: DoctorOptions = {}): Promise<DoctorFinding[]> {
  const examined: Examined = {
    db, names: namesOf(names.schema, names.prefix), options: { autoMigrate: true, prepare: true, longTransaction: 300, ...options },
  }
  const found = new Map<string, DoctorFinding[]>()
  const refused = new Map<string, string>()
  for (const check of [connectionCheck, ...checks]) {
    if (check.server && !db.flags.shared) continue
    const findings = await runCheck(check, examined)
    if ('refused' in findings) refused.set(check.name, findings.refused)
    else found.set(check.name, findings)
    if (check === connectionCheck && isFailing(found.get(check.name))) break
  }
  if (refused.size > 0) found.set(rights.name, [...withRefused(found.get(rights.name) ?? [], refused)])
  return [...found.values()].flat()
}

const isFailing = (findings: DoctorFinding[] = []): boolean => findings.some(({ level }) => level === 'fail')

async function runCheck({ name, run }: Check, examined: Examined): Promise<DoctorFinding[] | { refused: string }> {
  try {
    const findings = await run(examined)
    return findings === REFUSED ? { refused: '' } : findings.map(finding => ({ check: name, ...finding }))
  }
  catch (error) {
    const reason = toStoreError(error)
    if (isRefused(reason)) return { refused: messageOf(reason.cause ?? reason) }
    return [{ check: name, ...fail(`could not be checked: ${reason.message}`, 'see the error message') }]
  }
}

/** Adds the checks that lack a right to the finding on rights. */
function withRefused(findings: DoctorFinding[], refused: Map<string, string>): DoctorFinding[] {
  const left = `not looked at for want of rights: ${[...refused.keys()].join(', ')}`
  if (isFailing(findings)) return findings.map(finding => ({ ...finding, message: `${finding.message}; ${left}` }))
  // The role has all rights that the store itself needs: the reasons name the missing ones.
  const reasons = [...new Set(refused.values())].filter(reason => reason !== '').join('; ')
  return [{ check: rights.name, ...fail(`${left} (${reasons})`, 'as an administrator, grant the role what the message names') }]
}
