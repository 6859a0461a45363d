import { defineTask } from 'nitropack/runtime'
import { runConsumers } from '../../server/consumers'
import { appConsumers } from '../consumers'

export default defineTask({
  meta: { name: 'nvent-store:consumers', description: 'Handle the events that wait for the consumers' },
  run: async ({ payload }) => ({ result: await runConsumers(appConsumers(), payload) }),
})
