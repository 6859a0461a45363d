/** What to tell a person. */
export interface Problem {
  message: string
  code?: string
}

/** The problem an API route answered with, or whatever else went wrong. */
export function problemOf(error: unknown): Problem | null {
  if (!error) return null
  const body = member(error, 'data')
  const code = member(member(body, 'data'), 'code')
  return {
    message: String(member(body, 'message') ?? member(error, 'message') ?? error),
    code: code === undefined ? undefined : String(code),
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
