import { pglite, pgliteEmptied, pgliteInMemory } from '../setup/backends'
import { contractSuite, durableContractSuite } from './suite'

contractSuite(pgliteInMemory.name, { open: pgliteInMemory.open, openMore: pgliteEmptied.open })
durableContractSuite(pglite.name, pglite)
