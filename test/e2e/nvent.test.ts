import { describe } from 'vitest'
import { worksWithNvent } from './nvent'

describe('nvent before the store in `modules`', worksWithNvent)
