#!/usr/bin/env node
import { defineCommand } from 'citty'
import { description, version } from '../package.json'
import { consumersCommand } from './cli/consumers'
import { deadCommand } from './cli/dead'
import { doctorCommand } from './cli/doctor'
import { indexCommand } from './cli/entries'
import { kvCommand } from './cli/kv'
import { main } from './cli/main'
import { migrateCommand } from './cli/migrate'
import { retentionCommand } from './cli/retention'
import { rollbackCommand } from './cli/rollback'
import { sqlCommand } from './cli/sql'
import { statusCommand } from './cli/status'
import { streamsCommand } from './cli/streams'
import { tailCommand } from './cli/tail'

void main(defineCommand({
  meta: { name: 'nvent-store', version, description },
  subCommands: {
    migrate: migrateCommand,
    status: statusCommand,
    rollback: rollbackCommand,
    sql: sqlCommand,
    doctor: doctorCommand,
    retention: retentionCommand,
    tail: tailCommand,
    streams: streamsCommand,
    kv: kvCommand,
    index: indexCommand,
    consumers: consumersCommand,
    dead: deadCommand,
  },
}), process.argv.slice(2), version)
