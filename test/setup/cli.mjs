// Runs the command line from its sources, in any directory.
import { createJiti } from 'jiti'

await createJiti(import.meta.url).import('../../src/cli.ts')
