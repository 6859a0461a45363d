import { StoreError } from '../../shared/errors'

/** The process and thread that has a directory open. */
export interface Owner {
  pid: number
  threadId: number
  host?: string
  since?: string
}

export function lockedBy(directory: string, { pid, threadId, host, since }: Owner): StoreError {
  const where = [`process ${pid}`, threadId > 0 && `(thread ${threadId})`, host && `on ${host}`, since && `since ${since}`].filter(Boolean).join(' ')
  return new StoreError('DATABASE_LOCKED', `the embedded database in ${directory} is open in ${where}: stop that process, or use another directory`, {
    details: { directory, pid, threadId, ...host !== undefined && { host } }, retryable: true,
  })
}

export function lockLost(directory: string): StoreError {
  return new StoreError(
    'DATABASE_LOCKED',
    `the lock of the embedded database in ${directory} was removed, or taken over by another machine that received no heartbeat: nothing is written any more; create a new store`,
    { details: { directory } },
  )
}
