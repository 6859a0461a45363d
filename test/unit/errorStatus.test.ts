import { readFileSync } from 'node:fs'
import { createError } from 'h3'
import { describe, expect, it } from 'vitest'
import { StoreError, loading } from '../../src/runtime/core/shared/errors'
import type { StoreErrorCode } from '../../src/runtime/core/shared/errors'

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
const codes = [...read('src/runtime/core/shared/errors.ts').split('export interface')[0]!.matchAll(/'([A-Z_]+)'/g)].map(match => match[1] as StoreErrorCode)
/** Code, meaning, advice, status. */
const rows = read('docs/errors.md').split('\n').filter(line => /^\| `[A-Z_]+` \|/.test(line)).map(line => line.split('|').slice(1, -1).map(cell => cell.trim()))

describe('the codes of errors', () => {
  it('are all in the documentation, with what to do', () => {
    expect(codes.length).toBeGreaterThan(14)
    expect(rows.map(([code]) => code!.slice(1, -1)).sort()).toEqual([...codes].sort())
    for (const row of rows) for (const cell of row) expect(cell).not.toBe('')
  })

  it('have the status that is documented, and h3 reads it and nothing else', () => {
    for (const [name, , , statuses] of rows) {
      const status = Number(statuses)
      const whenRetryable = status === 500 ? 503 : status
      for (const [retryable, expected] of [[false, status], [true, whenRetryable]] as const) {
        const error = new StoreError(name!.slice(1, -1) as StoreErrorCode, 'hosts and users', { retryable, details: { argument: 'subject' } })
        expect([error.statusCode, error.status]).toEqual([expected, expected])
        const answer = createError(error)
        expect(answer.statusCode).toBe(expected)
        expect(answer.data).toBeUndefined()
      }
    }
  })

  it('are 500 while the code of an app is being loaded: a file that throws then is no fault of a request', async () => {
    const error = new StoreError('INVALID_VALUE', 'a wrong option')
    await import('../../src/runtime/server/loading')
    expect([error.statusCode, error.status]).toEqual([500, 500])
    loading.isUnderWay = false
    expect([error.statusCode, error.status]).toEqual([400, 400])
  })
})
