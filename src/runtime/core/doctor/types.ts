import type { Db } from '../db/types'
import type { Names } from '../shared/identifier'

export interface DoctorFinding {
  check: string
  level: 'ok' | 'warn' | 'fail'
  /** What was found, with values. */
  message: string
  /** What to do about it; empty when there is nothing to do. */
  advice: string
}

/** What the store is configured to do, and what counts as much. */
export interface DoctorOptions {
  /** Whether the store may run DDL. */
  autoMigrate?: boolean
  /** Whether statements are prepared under names. */
  prepare?: boolean
  /**
   * From how many seconds on an open transaction is reported.
   * @default 300
   */
  longTransaction?: number
}

export interface Patient {
  db: Db
  names: Names
  options: Required<DoctorOptions>
}

export interface Check {
  name: string
  /** Only where the database is a server, which others share and which has settings of its own. */
  server?: true
  /** What lacks a right for it rejects with the server's error, or resolves with `REFUSED`. */
  run(patient: Patient): Promise<Finding[] | typeof REFUSED>
}

/** The role may not see what a check looks at. */
export const REFUSED = Symbol('refused')

/** A finding before it is known which check it is of. */
export type Finding = Omit<DoctorFinding, 'check'>

export const ok = (message: string): Finding => ({ level: 'ok', message, advice: '' })
export const warn = (message: string, advice: string): Finding => ({ level: 'warn', message, advice })
export const fail = (message: string, advice: string): Finding => ({ level: 'fail', message, advice })

/** What is wrong, or that nothing is. */
export const orElse = (findings: Finding[], message: string): Finding[] => findings.length > 0 ? findings : [ok(message)]
