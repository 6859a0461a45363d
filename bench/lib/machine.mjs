import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PEERS } from './peers.mjs'
import { ROOT } from './paths.mjs'
import { POSTGRES_SETTINGS, REDIS_SETTINGS } from './servers.mjs'

/** The machine and the versions that the figures depend on, as lines of Markdown. */
export function describeMachine({ servers = [], stores = [], peers = false, packages = peers ? Object.values(PEERS) : [] }) {
  const own = createRequire(import.meta.url)
  const settings = given => Object.entries(given).map(([name, value]) => `${name}=${value === '' ? '\'\'' : value}`).join(' ')
  const hasPostgres = servers.some(({ name }) => name.startsWith('PostgreSQL'))
  return [
    `Machine: ${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, ${Math.round(totalmem() / 2 ** 30)} GB; ${systemName()}, ${type()} ${release()}. Clients and servers share it.`,
    `Versions: ${[
      ...stores.map(({ label, checkout }) => `store ${label} at ${commitOf(checkout)}`),
      `Node ${process.versions.node}`,
      `pg ${own('pg/package.json').version}`,
      ...servers.map(({ name, version }) => `${name.split(' ')[0]} ${version}`),
      ...packages.map(name => `${name} ${versionOf(name)}`),
    ].join(', ')}.`,
    ...(hasPostgres ? [`PostgreSQL: ${settings(POSTGRES_SETTINGS)}.`] : []),
    ...(servers.some(({ name }) => name === 'Redis') ? [`Redis: ${settings(REDIS_SETTINGS)}.`] : []),
    `Measured on ${new Date().toISOString().slice(0, 10)}.`,
  ]
}

// A server and the measuring process use two cores, so any other load distorts all figures.
const BUSY = 0.15

/** Samples the load of the machine. @returns {Promise<string | undefined>} a warning when it is */
export async function busyNote() {
  const times = () => cpus().reduce(({ idle, all }, { times }) => ({
    idle: idle + times.idle, all: all + times.idle + times.user + times.nice + times.sys + times.irq,
  }), { idle: 0, all: 0 })
  const before = times()
  await sleep(2000)
  const after = times()
  const share = 1 - (after.idle - before.idle) / (after.all - before.all)
  return share > BUSY
    ? `**The machine was busy with something else before the start (${Math.round(share * 100)} % of its cores): these figures say little.**`
    : undefined
}

function systemName() {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))[1]
  }
  catch {
    return process.platform
  }
}

function commitOf(checkout) {
  const git = (...parameters) => execFileSync('git', ['-C', checkout, ...parameters], { encoding: 'utf8' }).trim()
  try {
    const changed = git('status', '--porcelain', '--', 'src', 'migrations') !== ''
    return `${git('rev-parse', '--short', 'HEAD')}${changed ? ' with uncommitted changes' : ''}`
  }
  catch {
    return 'an unknown commit'
  }
}

/** Read as a file, as the peers don't export their package.json. */
function versionOf(name) {
  return JSON.parse(readFileSync(join(ROOT, 'bench/node_modules', name, 'package.json'), 'utf8')).version
}
