import type { H3Event } from 'h3'

export function letterIdOf(event: H3Event): string {
  const id = getRouterParam(event, 'id') ?? ''
  if (!/^\d{1,18}$/.test(id)) throw problem(400, 'The id of a dead letter is made of digits.')
  return id
}

export const noLetter = (id: string): Error => problem(404, `There is no dead letter ${id} any more: it was requeued or discarded.`)
