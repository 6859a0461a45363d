import { unbatched } from '../setup/backends'
import { contractSuite } from './suite'

contractSuite(unbatched.name, unbatched)
