import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const { exports, files } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  exports: Record<string, string | Record<string, string>>
  files: string[]
}

describe('the exports of the package', () => {
  it.each(Object.entries(exports).filter(([, conditions]) => typeof conditions === 'object'))('%s can be required, by its last condition', (_, conditions) => {
    const given = conditions as Record<string, string>
    expect(Object.keys(given).at(-1)).toBe('default')
    expect(given.default).toBe(given.import)
  })

  it('come with the documentation', () => {
    expect(files).toContain('docs/*.md')
  })
})
