import { describe } from 'vitest'
import { worksWithNvent } from './nvent'

process.env.FIXTURE_STORE_FIRST = 'yes'

describe('nvent after the store in `modules`', worksWithNvent)
