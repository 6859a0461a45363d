import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { defineBuildConfig } from 'unbuild'

export default defineBuildConfig({
  entries: ['src/nitro', 'src/cli'],
  externals: ['nitropack', 'nitropack/types', 'pg'],
  hooks: {
    'build:done': async ({ options }) => {
      if (!options.stub) await completeSpecifiers(resolve(options.rootDir, options.outDir, 'runtime'))
    },
  },
})

/** The builder gives every relative import in a declaration its extension, except in `export type * from './file'`. */
async function completeSpecifiers(directory: string): Promise<void> {
  for (const name of await readdir(directory, { recursive: true })) {
    if (!name.endsWith('.d.ts')) continue
    const file = join(directory, name)
    const text = await readFile(file, 'utf8')
    const complete = text.replace(/^(export type \* from ['"]\.[^'"]*?)(?:\.js)?(['"])/gm, '$1.js$2')
    if (complete !== text) await writeFile(file, complete)
  }
}
