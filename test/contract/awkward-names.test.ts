import { awkwardAndHostile, awkwardNames } from '../setup/backends'
import { contractSuite, durableContractSuite, statementTiers, tiers } from './suite'

contractSuite(awkwardAndHostile.name, awkwardAndHostile, statementTiers)
// Migrations and start-up under names, without the thousands of functions that each copy of the other database carries.
contractSuite(awkwardNames.name, awkwardNames, { lifecycle: tiers.lifecycle, routing: tiers.routing })
durableContractSuite(`${awkwardNames.name}, opened again`, awkwardNames)
