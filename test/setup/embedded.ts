import { cpSync, existsSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { inject } from 'vitest'
import { pgliteUrl } from '../../src/runtime/core/db/connection/pgliteUrl'
import { createStore } from '../../src/runtime/core/index'
import { onFileEnd } from './database'
import { temporaryDirectory } from './postgres'

/** URL of a new embedded database without a schema. To create one takes seconds, to copy one a moment. */
export const freshEmbedded = (): Promise<string> => copyOf('empty')

/** The same with the schema of a store under the default names, which takes a second to make. */
export const migratedEmbedded = (): Promise<string> => copyOf('migrated')

type Template = 'empty' | 'migrated'

async function copyOf(template: Template): Promise<string> {
  const directory = await temporaryDirectory()
  onFileEnd(() => rm(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  cpSync(await templateOf(template), data, { recursive: true })
  return pgliteUrl(data)
}

/** Made by the first test file of a run that needs it. */
async function templateOf(name: Template): Promise<string> {
  const template = join(inject('compiled'), `embedded-${name}`)
  if (!existsSync(template)) {
    const made = await mkdtemp(`${template}-`)
    await make[name](made)
    // Another test file may have been first.
    await rename(made, template).catch((error: unknown) => {
      if (!existsSync(template)) throw error
    })
  }
  return template
}

const make: Record<Template, (directory: string) => Promise<void>> = {
  async empty(directory) {
    await (await PGlite.create(directory)).close()
  },
  async migrated(directory) {
    cpSync(await templateOf('empty'), directory, { recursive: true })
    const store = createStore({ connection: pgliteUrl(directory) })
    await store.ready()
    await store.close()
  },
}
