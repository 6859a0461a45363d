import { pgliteInMemory, postgres18 } from '../setup/backends'
import { oddInputContractSuite } from './suite'

for (const backend of [pgliteInMemory, postgres18]) oddInputContractSuite(`odd input on ${backend.name}`, backend)
