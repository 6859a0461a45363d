/** Does something again and again while the page is open: for what changes without an event. */
export function useRepeated(work: () => Promise<unknown>, pauseMs: number): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let left = false
  async function again(): Promise<void> {
    await work()
    if (!left) start()
  }
  function start(): void {
    timer = setTimeout(again, pauseMs)
  }
  onMounted(start)
  onBeforeUnmount(() => {
    left = true
    clearTimeout(timer)
  })
}
