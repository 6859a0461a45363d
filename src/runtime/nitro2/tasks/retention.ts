import { defineTask } from 'nitropack/runtime'
import { useStore } from '../store'

export default defineTask({
  meta: { name: 'nvent-store:retention', description: 'Remove the events that exceed the retention rules' },
  run: async () => ({ result: await useStore().admin.retention.run() }),
})
