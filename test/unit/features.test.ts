import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { nodesOf } from './sources'

// docs/features.md names the tests that show each feature: they have to be there.
const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

/** How many features each of the stores has. */
const FEATURES = [7, 10, 8, 8]
const rows = read('docs/features.md').split('\n').filter(line => /^\| \d/.test(line)).map((line) => {
  const [id = '', , here = '', tests = ''] = line.split('|').slice(1, -1).map(cell => cell.trim())
  return { id, here, named: [...tests.matchAll(/`(test\/[\w./-]+)`((?: “[^”]+”)*)/g)].map(([, file = '', titles = '']) => ({ file, titles: [...titles.matchAll(/“([^”]+)”/g)].map(([, title]) => title!) })) }
})

/** The titles of a file: what its calls are given first. */
function titlesOf(file: string): string[] {
  const tree = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true)
  return [...nodesOf(tree)].filter(ts.isCallExpression).map(({ arguments: [first] }) => first).filter(first => first !== undefined && ts.isStringLiteralLike(first)).map(({ text }) => text)
}

describe('the features of docs/features.md', () => {
  it('are all there, each once', () => {
    expect(rows.map(({ id }) => id)).toEqual(FEATURES.flatMap((count, store) => Array.from({ length: count }, (_, at) => `${store}.${at + 1}`)))
  })

  it.each(rows)('$id has tests that exist, or says that it is not there yet', ({ here, named }) => {
    if (!here.includes('not yet')) expect(named).not.toEqual([])
    for (const { file, titles } of named) expect(titlesOf(file)).toEqual(expect.arrayContaining(titles))
  })
})
