/** The time in milliseconds, every second anew. The first value is the server's, so that both render the same. */
export function useNow() {
  const now = useState('now', () => Date.now())
  let timer: ReturnType<typeof setInterval> | undefined
  onMounted(() => {
    now.value = Date.now()
    timer = setInterval(() => { now.value = Date.now() }, 1000)
  })
  onBeforeUnmount(() => clearInterval(timer))
  return now
}
