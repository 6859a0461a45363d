import { join } from 'node:path'
import { inject } from 'vitest'

/** The compiled file of a source, for a process that a test starts: `src/cli.ts`. */
export const compiled = (source: string) => join(inject('compiled'), source.replace(/\.ts$/, '.mjs'))
