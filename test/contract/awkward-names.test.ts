import { awkwardNames } from '../setup/backends'
import { contractSuite, durableContractSuite } from './suite'

contractSuite(awkwardNames.name, awkwardNames)
durableContractSuite(`${awkwardNames.name}, opened again`, awkwardNames)
