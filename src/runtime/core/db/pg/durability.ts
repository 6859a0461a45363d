import type { PoolConfig } from 'pg'
import { startingWith } from './poolConfig'

export const RELAX = 'set synchronous_commit = off'
export const RESTORE = 'set synchronous_commit = on'

/** Connections whose commits do not wait for the disk. */
export const relaxed = (config: PoolConfig): PoolConfig => startingWith(config, '-c synchronous_commit=off')
