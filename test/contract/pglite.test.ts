import { pglite, pgliteInMemory } from '../setup/backends'
import { contractSuite, durableContractSuite } from './suite'

contractSuite(pgliteInMemory.name, { open: pgliteInMemory.open, openMore: pglite.open })
durableContractSuite(pglite.name, pglite)
