/** Lets the process end while a timer is pending. The timers of workers are numbers, and nothing there waits for them. */
export function unref(timer: NodeJS.Timeout): void {
  (timer as Partial<Pick<NodeJS.Timeout, 'unref'>>).unref?.()
}
