import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

/** A file that defines a consumer. */
export interface FoundConsumer {
  name: string
  path: string
}

export const CONSUMERS_DIRECTORY = 'consumers'

const CODE = /\.[cm]?[jt]s$/
// Declarations, tests, and what begins with a dot or an underscore.
const OTHER = /\.d\.[cm]?ts$|\.(?:test|spec)\.[cm]?[jt]s$|(?:^|\/)[._]/

/**
 * The consumers in the folder `consumers` of each directory, sorted by name. A folder inside it becomes the first part of
 * the name, as with tasks: `orders/mail.ts` is `orders:mail`. A file of an earlier directory replaces the one of the same
 * name in a later directory, as an app replaces what a layer has. Two of one directory are both found: the server refuses
 * them.
 */
export async function findConsumers(directories: string[]): Promise<FoundConsumer[]> {
  const found: FoundConsumer[] = []
  for (const directory of directories) {
    const folder = join(directory, CONSUMERS_DIRECTORY)
    const files = (await filesIn(folder)).map(file => ({ name: nameOf(file), path: join(folder, file) }))
    const replaced = new Set(found.map(({ name }) => name))
    found.push(...files.filter(({ name }) => !replaced.has(name)))
  }
  return found.sort((a, b) => Number(a.name > b.name) - Number(a.name < b.name))
}

async function filesIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries.filter(entry => !entry.isDirectory()).map(entry => relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/'))
      .filter(file => CODE.test(file) && !OTHER.test(file)).sort()
  }
  catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code!)) return []
    throw error
  }
}

const nameOf = (file: string): string => file.replace(CODE, '').replace(/\/index$/, '').replaceAll('/', ':')

/** The code of the virtual module that imports them, after other modules. */
export function consumersModule(found: FoundConsumer[], rootDir: string, before: string[] = []): string {
  // As namespaces: a default export that is missing is reported by the server, with the name of the file.
  const imports = found.map(({ path }, at) => `import * as consumer${at} from ${JSON.stringify(path)}\n`)
  const first = before.map(path => `import ${JSON.stringify(path)}\n`)
  const entries = found.map(({ name, path }, at) =>
    `  { name: ${JSON.stringify(name)}, file: ${JSON.stringify(relative(rootDir, path).replaceAll(sep, '/'))}, definition: consumer${at}.default },\n`)
  return `${[...first, ...imports].join('')}export const consumers = [\n${entries.join('')}]\n`
}
