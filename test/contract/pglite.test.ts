import { pglite, pgliteDirectory } from '../setup/backends'
import { contractSuite, durableContractSuite } from './suite'

contractSuite(pglite.name, { open: pglite.open, openMore: pgliteDirectory.open })
durableContractSuite(pgliteDirectory.name, pgliteDirectory)
