import { cpSync, existsSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { inject } from 'vitest'
import { pgliteUrl } from '../../src/runtime/core/db/connection/pgliteUrl'
import { onFileEnd } from './database'
import { temporaryDirectory } from './postgres'

/** URL of a new embedded database without a schema. To create one takes seconds, to copy one a moment. */
export async function freshEmbedded(): Promise<string> {
  const directory = await temporaryDirectory()
  onFileEnd(() => rm(directory, { recursive: true, force: true }))
  const data = join(directory, 'data')
  cpSync(await emptyDatabase(), data, { recursive: true })
  return pgliteUrl(data)
}

/** Made by the first test file of a run that needs it. */
async function emptyDatabase(): Promise<string> {
  const template = join(inject('compiled'), 'embedded')
  if (!existsSync(template)) {
    const made = await mkdtemp(`${template}-`)
    await (await PGlite.create(made)).close()
    // Another test file may have been first.
    await rename(made, template).catch((error: unknown) => {
      if (!existsSync(template)) throw error
    })
  }
  return template
}
