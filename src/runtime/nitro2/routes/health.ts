import { defineEventHandler, setResponseHeader, setResponseStatus } from 'h3'
import { useStore } from '../store'

/** The route may be public: it shows the code of an error, but not the message, which may name hosts and users. */
export default defineEventHandler(async (event) => {
  const { error, ...health } = await useStore().admin.health()
  setResponseHeader(event, 'cache-control', 'no-store')
  setResponseStatus(event, health.status === 'down' ? 503 : 200)
  return { ...health, ...error && { error: { code: error.code } } }
})
