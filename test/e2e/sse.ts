import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'

export interface SseClient {
  status: number
  /** Messages so far, without the one that says where the stream starts. */
  messages: { id: string, data: unknown }[]
  /** Where the stream starts. */
  start(): string | undefined
  /** All that has come, as it came. */
  text(): string
  ended: Promise<void>
  pause(): void
  resume(): void
  hangUp(): void
}

/** A client of server-sent events that can be slow. */
export async function listen(url: string, lastEventId?: string): Promise<SseClient> {
  const request = get(url, { headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId } })
  const response = await new Promise<IncomingMessage>((resolve, reject) => request.on('response', resolve).on('error', reject))
  let text = ''
  let rest = ''
  let start: string | undefined
  const messages: SseClient['messages'] = []
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    const blocks = (rest + chunk).split('\n\n')
    rest = blocks.pop()!
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map(line => /^(\w*): ?(.*)$/.exec(line)?.slice(1) ?? []))
      if (fields.event === 'ready') start = fields.id
      else if (fields.data !== undefined) messages.push({ id: fields.id!, data: JSON.parse(fields.data) })
    }
  })
  return {
    status: response.statusCode!,
    messages,
    start: () => start,
    text: () => text,
    ended: new Promise(resolve => response.on('close', resolve).on('error', () => resolve())),
    pause: () => void response.pause(),
    resume: () => void response.resume(),
    hangUp: () => void request.destroy(),
  }
}
