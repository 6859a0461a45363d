import { awkwardNames } from '../setup/backends'
import { contractSuite, durableContractSuite, statementTiers, tiers } from './suite'

contractSuite(awkwardNames.name, awkwardNames, { ...statementTiers, lifecycle: tiers.lifecycle, routing: tiers.routing })
durableContractSuite(`${awkwardNames.name}, opened again`, awkwardNames)
