/** Calls back when an event is appended to a subject, by whomever; `live` says whether the line is open. */
export function useLiveStream(subject: () => string | null, onEvent: () => unknown) {
  const live = ref(false)
  let source: EventSource | undefined

  function setLive(value: boolean): void {
    live.value = value
  }

  function open(name: string | null): void {
    source?.close()
    setLive(false)
    if (name === null) return

    source = new EventSource(`/api/streams/live?subject=${encodeURIComponent(name)}`)
    source.addEventListener('ready', () => setLive(true))
    source.addEventListener('message', onEvent)
    source.addEventListener('error', () => setLive(false))
  }

  onMounted(() => watch(subject, open, { immediate: true }))
  onBeforeUnmount(() => source?.close())
  return live
}
