import { parseArgs } from 'node:util'
import { bundleStore } from './store.mjs'

const COMMON = {
  quick: { type: 'boolean', default: false },
  write: { type: 'boolean' },
  store: { type: 'string', multiple: true },
  from: { type: 'string' },
  help: { type: 'boolean', default: false },
}

/**
 * Parses the command line. Each flag of a script has a default, and another one for `--quick`.
 * @param {Record<string, { full: string | number, quick?: string | number, help: string }>} own
 */
export function readFlags(own) {
  const options = Object.fromEntries(Object.keys(own).map(name => [name, { type: 'string' }]))
  const { values } = parseArgs({ options: { ...COMMON, ...options }, allowNegative: true })
  if (values.help) printHelp(own)
  const flags = Object.fromEntries(Object.entries(own).map(([name, { full, quick = full }]) => {
    const value = values[name] ?? (values.quick ? quick : full)
    return [name, typeof full === 'number' ? number(name, value) : value]
  }))
  return {
    ...flags,
    from: values.from,
    quick: values.quick,
    // The figures of a quick run are too inaccurate for the documentation.
    write: values.write ?? !values.quick,
    stores: values.store ?? process.env.BENCH_STORE?.split(',') ?? [undefined],
  }
}

export const list = value => String(value).split(',').map(item => item.trim()).filter(Boolean)
export const numbers = value => list(value).map(item => number('list', item))

/** Bundles the stores given with `--store`, by default the one of this checkout. */
export const bundleStores = flags => Promise.all(flags.stores.map(path => bundleStore(path)))

function number(name, value) {
  const result = Number(value)
  if (!Number.isFinite(result)) throw new Error(`--${name}: ${value} is not a number`)
  return result
}

function printHelp(own) {
  const lines = [
    ...Object.entries(own).map(([name, { full, quick = full, help }]) => [`--${name}`, `${help} (${full}${quick === full ? '' : `, with --quick ${quick}`})`]),
    ['--store path', 'checkout of the store, with options after a ?: /path?batching=false; may be repeated (this one)'],
    ['--quick', 'a short run to see that everything works; prints and writes no documentation'],
    ['--write, --no-write', 'write docs/performance.md and docs/images, or don\'t'],
    ['--from file', 'make the report from the results of an earlier run, which are kept in .cache/'],
  ]
  for (const [flag, help] of lines) console.log(`  ${flag.padEnd(22)} ${help}`)
  process.exit(0)
}
