#!/usr/bin/env node
import { defineCommand, runMain } from 'citty'
import { consola } from 'consola'
import type { PoolConfig } from 'pg'
import { description, version } from '../package.json'
import { FALLBACKS, OVERRIDE, namedConnection } from './runtime/connection'
import { createStore } from './runtime/core'
import { StoreError, messageOf } from './runtime/core/errors'

const variable = (name: string) => process.env[`NITRO_NVENT_STORE_POSTGRES_${name}`] ?? process.env[`NUXT_NVENT_STORE_POSTGRES_${name}`]

const target = {
  url: {
    type: 'string',
    description: 'Database URL. Default: NUXT_NVENT_STORE_POSTGRES_CONNECTION, DATABASE_URL or POSTGRES_URL',
  },
  schema: {
    type: 'string',
    description: 'Database schema of the tables. Default: NUXT_NVENT_STORE_POSTGRES_SCHEMA, or public',
  },
  prefix: {
    type: 'string',
    description: 'First part of every table name. Default: NUXT_NVENT_STORE_POSTGRES_PREFIX, or nvent',
  },
} as const

const migrate = defineCommand({
  meta: { name: 'migrate', description: 'Bring the schema up to date' },
  args: target,
  run: ({ args }) => reporting(async () => {
    const { connection, source } = databaseOf(args.url)
    const store = createStore({
      connection,
      schema: args.schema ?? variable('SCHEMA'),
      prefix: args.prefix ?? variable('PREFIX'),
      autoMigrate: true,
      logger: consola,
    })
    try {
      const { database, schema, prefix, schemaVersion, applied } = await store.ready()
      const change = applied > 0 ? `migrated to version ${schemaVersion}` : `already at version ${schemaVersion}`
      consola.success(`${change}: ${database} (from ${source}), schema ${schema}, prefix ${prefix}`)
    }
    finally {
      await store.close()
    }
  }),
})

function databaseOf(url: string | undefined): { connection: string | PoolConfig, source: string } {
  const chosen = url ? { connection: url, source: '--url' } : namedConnection({ env: process.env })
  if (chosen) return chosen
  throw new StoreError('INVALID_OPTION', `no database is named: give --url, or set ${[OVERRIDE, ...FALLBACKS].join(', ')}`)
}

/** Errors of the store say what to do; a stack trace and the connection inside them would not help. */
async function reporting(run: () => Promise<void>): Promise<void> {
  try {
    await run()
  }
  catch (error) {
    consola.error(messageOf(error))
    process.exitCode = 1
  }
}

void runMain(defineCommand({
  meta: { name: 'nvent-store', version, description },
  subCommands: { migrate },
}))
