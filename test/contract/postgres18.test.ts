import { postgres18 } from '../setup/backends'
import { contractSuite, durableContractSuite } from './suite'

contractSuite(postgres18.name, postgres18)
durableContractSuite(`${postgres18.name}, opened again`, postgres18)
