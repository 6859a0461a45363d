/** What to tell a person. */
export interface Problem {
  message: string
  code?: string
}

const AWAY = [502, 503, 504]

/** There was no answer (`fetch` throws a TypeError then), or one that says that what should answer is not there. */
export function isAway(error: unknown): boolean {
  return unanswered(error) || AWAY.includes(Number(member(error, 'statusCode')))
}

/** The problem an API route answered with, or whatever else went wrong. */
export function problemOf(error: unknown): Problem | null {
  if (!error) return null
  if (unanswered(error)) return { message: 'The server did not answer. Check whether the change was made before you try again.' }
  const body = member(error, 'data')
  const code = member(member(body, 'data'), 'code')
  return {
    message: String(member(body, 'message') ?? member(error, 'message') ?? error),
    code: code === undefined ? undefined : String(code),
  }
}

const unanswered = (error: unknown): boolean => member(error, 'cause') instanceof TypeError

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}
