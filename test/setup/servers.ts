import type { TestProject } from 'vitest/node'
import { embeddedBinaries, installedBinaries } from './binaries'
import { removeLeftovers, startServer } from './postgres'
import type { Server } from './postgres'

declare module 'vitest' {
  export interface ProvidedContext {
    /** Administrator's URL of a PostgreSQL 18; empty when only unit tests run. */
    pg18: string
    /** The same for PostgreSQL 15; empty where it is not installed. */
    pg15: string
  }
}

/** Starts the servers once for a whole run, before the first test file. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers: Server[] = []
  const stop = async () => {
    await Promise.all(servers.map(server => server.stop('immediate')))
  }
  const start = async (bin: string) => {
    const server = await startServer(bin)
    servers.push(server)
    return server.url
  }
  const needed = project.vitest.projects.some(({ name }) => name !== 'unit')
  let urls = { pg18: '', pg15: '' }
  if (needed) {
    await removeLeftovers()
    const installed = await installedBinaries()
    if (!installed) console.warn('PostgreSQL 15 is not installed: its tests are skipped (PG15_BIN names the directory of its programs)')
    try {
      urls = {
        pg18: process.env.TEST_DATABASE_URL || await start(await embeddedBinaries()),
        pg15: installed ? await start(installed) : '',
      }
    }
    catch (error) {
      await stop()
      throw error
    }
  }
  project.provide('pg18', urls.pg18)
  project.provide('pg15', urls.pg15)
  return stop
}
