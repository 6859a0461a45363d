import { hostile } from '../setup/backends'
import { contractSuite, statementTiers } from './suite'

contractSuite(hostile.name, hostile, statementTiers)
