import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { readSources } from './sources'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..')
const MAX_FILES = 12
// They put the parts together, and no argument passes them.
const CONNECTING = ['runtime/core/store', 'runtime/core/storeParts', 'runtime/core/stream/api']
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

const walks = read('docs/architecture.md').split('## The walk')[1]!.split(/^### /m).slice(1).map((walk) => {
  const [title] = walk.split('\n', 1) as [string]
  return { title, files: [...walk.matchAll(/^\d+\. `([\w/]+)\.ts`/gm)].map(([, file]) => `runtime/core/${file}`) }
})

describe('the walk of docs/architecture.md', () => {
  const sources = new Map(readSources().map(source => [source.name, source.imports.map(({ target }) => target)]))

  it('is told for an append and for an update', () => {
    expect(walks.map(({ title }) => title)).toEqual(['`subject` of `stream.append`', '`patch` of `index.update`'])
  })

  it.each(walks)('of $title passes files that exist, each once, and few', ({ files }) => {
    expect(files.length).toBeGreaterThan(5)
    expect(files.length).toBeLessThanOrEqual(MAX_FILES)
    expect(new Set(files).size).toBe(files.length)
    expect(files.filter(file => !sources.has(file))).toEqual([])
  })

  it.each(walks)('of $title only leads downwards: a file above imports the next one, or what puts the parts together', ({ files }) => {
    const unreached = files.slice(1).filter((file, at) =>
      ![...CONNECTING, ...files.slice(0, at + 1)].some(above => sources.get(above)?.includes(file)))
    expect(unreached).toEqual([])
  })
})

describe('the links of the documentation', () => {
  const examples = ['', ...readdirSync(join(ROOT, 'examples/ports'), { withFileTypes: true }).filter(entry => entry.isDirectory()).map(({ name }) => `${name}/`)]
  const pages = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'bench/README.md', ...examples.map(name => `examples/ports/${name}README.md`), ...[...read('README.md').matchAll(/\]\((docs\/[\w-]+\.md)\)/g)].map(([, page]) => page!)]
  const anchorsOf = (page: string) => [...read(page).matchAll(/^#+ (.+)$/gm)]
    .map(([, heading]) => heading!.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-'))

  it.each([...new Set(pages)])('of %s lead to pages and headings that exist', (page) => {
    const text = read(page).replace(/^```.+?^```$/gms, '')
    const dead = [...text.matchAll(/\]\(([^)\s:]*)\)/g)].map(([, link]) => link!).filter((link) => {
      const [path, anchor] = link.split('#') as [string, string?]
      const target = path === '' ? page : join(dirname(page), path)
      return !existsSync(join(ROOT, target)) || (anchor !== undefined && !anchorsOf(target).includes(anchor))
    })
    expect(dead).toEqual([])
  })
})
