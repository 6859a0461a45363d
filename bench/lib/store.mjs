import { createHash } from 'node:crypto'
import { createRequire } from 'node:module'
import { basename, join, resolve } from 'node:path'
import { CACHE, ROOT } from './paths.mjs'

/**
 * A checkout of the store with the options to create it with: `/path/to/checkout?batching=false`.
 * @typedef {{ label: string, checkout: string, bundle: string, options: Record<string, unknown> }} StoreSource
 */

/**
 * Bundles the core of a checkout, so that it runs without a build. `pg` is not bundled: all checkouts and the raw
 * statements use the version that is installed here.
 * @param {string} given path of a checkout, with options after a `?`
 * @returns {Promise<StoreSource>} with the path of the bundle
 */
export async function bundleStore(given = ROOT) {
  const [path, search = ''] = given.split('?')
  const checkout = resolve(path)
  const bundle = join(CACHE, `store-${createHash('sha256').update(checkout).digest('hex').slice(0, 12)}.mjs`)
  const esbuild = createRequire(join(ROOT, 'package.json'))('esbuild')
  await esbuild.build({
    entryPoints: [join(checkout, 'src/runtime/core/index.ts')],
    outfile: bundle,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'linked',
    external: ['pg', '@electric-sql/pglite'],
    tsconfigRaw: {},
    logLevel: 'error',
  })
  const options = Object.fromEntries([...new URLSearchParams(search)].map(([name, value]) => [name, parse(value)]))
  return { label: [basename(checkout), search].filter(Boolean).join(' '), checkout, bundle, options }
}

/** @param {StoreSource} source */
export async function openStore(source, url, options = {}) {
  const { createStore } = await import(source.bundle)
  const quiet = { info() {}, warn: console.error, error: console.error }
  const store = createStore({ connection: url, logger: quiet, ...source.options, ...options })
  await store.ready()
  return store
}

function parse(value) {
  try {
    return JSON.parse(value)
  }
  catch {
    return value
  }
}
