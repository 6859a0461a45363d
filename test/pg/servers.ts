import { hasServer } from '../setup/database'
import type { ServerName } from '../setup/database'

/** The real servers of this run; one that is not installed is left out. */
export const servers: { name: string, server: ServerName }[] = [
  { name: 'PostgreSQL 18', server: 'pg18' as const },
  { name: 'PostgreSQL 15', server: 'pg15' as const },
].filter(({ server }) => hasServer(server))
