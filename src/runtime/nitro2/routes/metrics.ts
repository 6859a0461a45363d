import { defineEventHandler, setResponseHeader } from 'h3'
import { PROMETHEUS_TYPE, prometheusText } from '../../core/observability/prometheus'
import { useStore } from '../store'

export default defineEventHandler((event) => {
  setResponseHeader(event, 'cache-control', 'no-store')
  setResponseHeader(event, 'content-type', PROMETHEUS_TYPE)
  return prometheusText(useStore().admin.metrics())
})
