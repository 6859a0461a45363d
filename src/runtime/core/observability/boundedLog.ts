import { unref } from '../shared/timer'

const WINDOW_MS = 60_000
const MOST = 10

export interface BoundedLog {
  /** Writes a line, unless there were too many of this name within a minute: then they are counted. */
  write(name: string, line: () => string): void
  /** Tells what was counted. */
  end(): void
}

/** Lines by name, ten of each within a minute; then how many more there were. */
export function createBoundedLog(log: (line: string) => void, rest: (name: string, more: number) => string): BoundedLog {
  const windows = new Map<string, { lines: number, end(): void }>()

  function open(name: string): { lines: number, end(): void } {
    const window = { lines: 0, end }
    const timer = setTimeout(end, WINDOW_MS)
    unref(timer)
    function end(): void {
      clearTimeout(timer)
      windows.delete(name)
      if (window.lines > MOST) log(rest(name, window.lines - MOST))
    }
    windows.set(name, window)
    return window
  }

  return {
    write(name, line) {
      const window = windows.get(name) ?? open(name)
      if (++window.lines <= MOST) log(line())
    },
    end: () => windows.forEach(window => window.end()),
  }
}
