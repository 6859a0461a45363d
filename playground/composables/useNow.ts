/** The time in milliseconds, updated every second. The first value is the server's, so that both render the same. */
export function useNow() {
  const now = useState('now', () => Date.now())
  let timer: ReturnType<typeof setInterval> | undefined
  function tick(): void {
    now.value = Date.now()
  }
  onMounted(() => {
    tick()
    timer = setInterval(tick, 1000)
  })
  onBeforeUnmount(() => clearInterval(timer))
  return now
}
