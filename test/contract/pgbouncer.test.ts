import { afterAll, beforeAll, describe, inject } from 'vitest'
import { onServer } from '../setup/backends'
import { hasPgBouncer, startPgBouncer } from '../setup/pgbouncer'
import type { PgBouncer } from '../setup/pgbouncer'
import { contractSuite, statementTiers, tiers } from './suite'

describe.skipIf(!hasPgBouncer())('a pooler in transaction mode', () => {
  let bouncer: PgBouncer

  beforeAll(async () => {
    bouncer = await startPgBouncer(inject('pg18'))
  })
  afterAll(() => bouncer?.stop())

  contractSuite('PgBouncer before PostgreSQL 18', onServer('PgBouncer', 'pg18', {
    through: url => bouncer.urlOf(url), store: { prepare: false, poolSize: 5 },
  }), { ...statementTiers, stream: tiers.stream, lifecycle: tiers.lifecycle })
})
