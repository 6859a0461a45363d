import { defineTask } from 'nitropack/runtime'
import { useStore } from '../store'

export default defineTask({
  meta: { name: 'nvent-store:retention', description: 'Take out the events that `retention` gives no more room' },
  run: async () => ({ result: await useStore().admin.retention.run() }),
})
