import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compiled } from './compiled'
import { onFileEnd } from './database'

// Nothing of the machine the tests run on decides which database is meant.
const NEUTRAL = {
  DATABASE_URL: undefined, POSTGRES_URL: undefined, NUXT_NVENT_STORE_POSTGRES_CONNECTION: undefined, NITRO_NVENT_STORE_POSTGRES_CONNECTION: undefined,
  NO_COLOR: '1', FORCE_COLOR: undefined, TEST: undefined, CI: undefined, NODE_ENV: undefined, CONSOLA_LEVEL: '3',
}

export interface CliOptions {
  cwd?: string
  env?: Record<string, string | undefined>
}

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
  /** The result as JSON. */
  json<T = unknown>(): T
}

/** Runs `nvent-store` in a process of its own, to its end. */
export async function runCli(args: string[], options: CliOptions = {}): Promise<CliResult> {
  return (await startCli(args, options)).ended
}

export async function startCli(args: string[], { cwd, env }: CliOptions = {}) {
  const child = spawn(process.execPath, [compiled('src/cli.ts'), ...args], {
    cwd: cwd ?? await emptyDirectory(), env: { ...process.env, ...NEUTRAL, ...env }, stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (chunk: Buffer) => {
      text[name] += chunk.toString()
    })
  }
  const ended = once(child, 'close').then((): CliResult => ({
    code: child.exitCode, ...text, json: <T>() => JSON.parse(text.stdout) as T,
  }))
  onFileEnd(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return { child, ended, stdout: () => text.stdout }
}

/** A directory of its own, as an app that was built elsewhere has it: no sources, no config. */
export async function emptyDirectory(files: Record<string, string> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nvent-store-cli-'))
  onFileEnd(() => rm(directory, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
  return directory
}
