import { fileURLToPath } from 'node:url'

/** The checkout that contains this benchmark. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Bundles and raw results; not part of the repository. */
export const CACHE = fileURLToPath(new URL('../.cache/', import.meta.url))
