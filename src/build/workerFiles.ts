import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'

/** A file that defines something that works in the background. */
export interface FoundWorker {
  name: string
  path: string
}

/** The folders, beside `api` and `routes`. */
export const WORKER_FOLDERS = ['consumers', 'projections'] as const

export type WorkerFolder = typeof WORKER_FOLDERS[number]

const CODE = /\.[cm]?[jt]s$/
// Declarations, tests, and what begins with a dot or an underscore.
const OTHER = /\.d\.[cm]?ts$|\.(?:test|spec)\.[cm]?[jt]s$|(?:^|\/)[._]/

/**
 * The files in one folder of each directory, sorted by name. A folder inside it becomes the first part of
 * the name, as with tasks: `orders/mail.ts` is `orders:mail`. A file of an earlier directory replaces the one of the same
 * name in a later directory, as an app replaces what a layer has. Two of one directory are both found: the server refuses
 * them.
 */
export async function findWorkers(directories: string[], folder: WorkerFolder): Promise<FoundWorker[]> {
  const found: FoundWorker[] = []
  for (const directory of directories) {
    const path = join(directory, folder)
    const files = (await filesIn(path)).map(file => ({ name: nameOf(file), path: join(path, file) }))
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
export function workersModule(found: Record<WorkerFolder, FoundWorker[]>, rootDir: string, before: string[] = []): string {
  // As namespaces: a default export that is missing is reported by the server, with the name of the file.
  const imports = WORKER_FOLDERS.flatMap(folder => found[folder].map(({ path }, at) => `import * as ${folder}${at} from ${JSON.stringify(path)}\n`))
  const first = before.map(path => `import ${JSON.stringify(path)}\n`)
  const entries = (folder: WorkerFolder) => found[folder].map(({ name, path }, at) =>
    `    { name: ${JSON.stringify(name)}, file: ${JSON.stringify(relative(rootDir, path).replaceAll(sep, '/'))}, definition: ${folder}${at}.default },\n`)
  const folders = WORKER_FOLDERS.map(folder => `  ${folder}: [\n${entries(folder).join('')}  ],\n`)
  return `${[...first, ...imports].join('')}export const workers = {\n${folders.join('')}}\n`
}
