import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { fixture, outside, root } from './support'

const run = promisify(execFile)
const PACKAGE = 'nvent-store-postgres'
// What `npm run build` reads; without the tests and what other runs may be writing to at the moment.
const SOURCES = [
  'src', 'scripts', 'migrations', 'playground', 'package.json', 'tsconfig.json', 'build.config.ts', 'nuxt.config.ts', 'README.md', 'LICENSE', 'docs',
]

/** Builds and packs the package as a release does, and returns the tarball; one that was made just now is named by `PACKAGE_TARBALL`. */
export async function pack(): Promise<string> {
  if (process.env.PACKAGE_TARBALL) return process.env.PACKAGE_TARBALL
  const copy = await outside('pack')
  const present = await readdir(root)
  for (const name of SOURCES.filter(source => present.includes(source))) await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  await run('npm', ['run', 'build'], { cwd: copy, env: { ...process.env, NODE_ENV: undefined } })
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts'], { cwd: copy })
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
  return join(copy, filename)
}

/** A project outside the repository with the package installed; `without` names packages it does not have. */
export async function install(tarball: string, name: string, { without = [] }: { without?: string[] } = {}): Promise<string> {
  const project = await outside(name)
  await cp(fixture(name), project, { recursive: true, filter: source => !/node_modules|\.(?:nuxt|nitro|output|data)$/.test(source) })
  const packages = join(project, 'node_modules')
  await copyPackages(packages)
  for (const absent of [...without, PACKAGE]) await rm(join(packages, absent), { recursive: true, force: true })
  const installed = join(packages, PACKAGE)
  await mkdir(installed)
  await run('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1'])
  await mkdir(join(packages, '.bin'))
  await symlink(join(installed, 'dist/cli.mjs'), join(packages, '.bin/nvent-store'))
  return project
}

/**
 * The packages of the repository in a project of their own: links to directories would lead back into the
 * repository, where nothing is missing. Hard links where they can be had, they take a second.
 */
async function copyPackages(target: string): Promise<void> {
  const source = join(root, 'node_modules')
  // What builds beside this one write to is no package.
  const packages = (await readdir(source)).filter(name => !['.cache', '.bin'].includes(name)).map(name => join(source, name))
  await mkdir(target)
  await run('cp', ['-al', '-t', target, ...packages]).catch(async () => {
    await rm(target, { recursive: true, force: true })
    for (const from of packages) await cp(from, join(target, basename(from)), { recursive: true, verbatimSymlinks: true })
  })
}
