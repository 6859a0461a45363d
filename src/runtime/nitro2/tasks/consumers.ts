import { defineTask } from 'nitropack/runtime'
import { runWorkers } from '../../server/workers'
import { appWorkers } from '../workers'

export default defineTask({
  meta: { name: 'nvent-store:consumers', description: 'Handle the events that wait for consumers and projections' },
  run: async ({ payload }) => ({ result: await runWorkers(appWorkers(), payload) }),
})
