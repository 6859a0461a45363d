import { unbatched } from '../setup/backends'
import { contractSuite, sendingTiers } from './suite'

contractSuite(unbatched.name, unbatched, sendingTiers)
