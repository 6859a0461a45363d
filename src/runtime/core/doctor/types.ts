import type { Db } from '../db/types'
import type { Names } from '../shared/identifier'

export interface DoctorFinding {
  check: string
  level: 'ok' | 'warn' | 'fail'
  /** What was found, with values. */
  message: string
  /** How to fix it; an empty string when there is nothing to fix. */
  advice: string
}

/** The configuration of the store, and thresholds. */
export interface DoctorOptions {
  /** Whether the store may run DDL. */
  autoMigrate?: boolean
  /** Whether statements are prepared under names. */
  prepare?: boolean
  /**
   * Report transactions that have been open for more than this many seconds.
   * @default 300
   */
  longTransaction?: number
}

/** The database and options that the checks run on. */
export interface Examined {
  db: Db
  names: Names
  options: Required<DoctorOptions>
}

export interface Check {
  name: string
  /** Runs only on a server, which has settings and other clients, and not on PGlite. */
  server?: true
  /** When the role lacks a right for the check: rejects with the server's error, or resolves with `REFUSED`. */
  run(examined: Examined): Promise<Finding[] | typeof REFUSED>
}

/** The role may not read what the check needs. */
export const REFUSED = Symbol('refused')

/** A finding without the name of its check. */
export type Finding = Omit<DoctorFinding, 'check'>

export const ok = (message: string): Finding => ({ level: 'ok', message, advice: '' })
export const warn = (message: string, advice: string): Finding => ({ level: 'warn', message, advice })
export const fail = (message: string, advice: string): Finding => ({ level: 'fail', message, advice })

/** The findings, or one that says that all is well. */
export const orElse = (findings: Finding[], message: string): Finding[] => findings.length > 0 ? findings : [ok(message)]
