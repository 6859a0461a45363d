import { describe } from 'vitest'
import { postgres15 } from '../setup/backends'
import { contractSuite, durableContractSuite } from './suite'

describe.skipIf(!postgres15.available())('an older server', () => {
  contractSuite(postgres15.name, postgres15)
  durableContractSuite(`${postgres15.name}, opened again`, postgres15)
})
