import { hostile } from '../setup/backends'
import { contractSuite, durableContractSuite } from './suite'

contractSuite(hostile.name, hostile)
durableContractSuite(`${hostile.name}, opened again`, hostile)
