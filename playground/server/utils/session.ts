import type { H3Event } from 'h3'

const COOKIE = 'desk'

/** Eight hex digits that name this visitor's cart, limit and scratch value. A label for a demo, not a login. */
export function sessionOf(event: H3Event): string {
  const known = getCookie(event, COOKIE)
  return known && /^[0-9a-f]{8}$/.test(known) ? known : startSession(event)
}

function startSession(event: H3Event): string {
  const id = crypto.randomUUID().slice(0, 8)
  setCookie(event, COOKIE, id, { httpOnly: true, sameSite: 'lax', path: '/' })
  // What a page fetches while it is rendered carries the headers of its own request: the new cookie must be there.
  event.node.req.headers.cookie = [event.node.req.headers.cookie, `${COOKIE}=${id}`].filter(Boolean).join('; ')
  return id
}
