import pg from 'pg'
import type { ClientConfig } from 'pg'
import { createBackoff } from '../../shared/backoff'
import { messageOf } from '../../shared/errors'
import type { Logger } from '../../shared/types'
import { quoteIdentifier } from '../../shared/identifier'
import { unref } from '../../shared/timer'
import { copyOf } from './poolConfig'

const HEARTBEAT_MS = 15_000
const ANSWER_MS = 10_000
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 10_000

/**
 * Listens on a separate connection, which is replaced with backoff whenever it breaks or stops answering. `onReconnect`
 * is called each time listening has begun, since notifications may have been missed before.
 * @returns a function that ends listening
 */
export function listenOn(
  config: ClientConfig, channel: string, { onWake, onReconnect, logger }: { onWake(): void, onReconnect(): void, logger?: Logger | undefined },
): () => Promise<void> {
  let stopped = false
  let client: pg.Client | undefined
  let timer: NodeJS.Timeout | undefined
  const backoff = createBackoff({ first: FIRST_DELAY_MS, max: MAX_DELAY_MS, jitter: [0.5, 1] })
  let warned = false

  async function connect(): Promise<void> {
    const next = client = new pg.Client({ connectionTimeoutMillis: ANSWER_MS, ...copyOf(config) })
    let lost = false
    const lose = (error?: Error) => {
      if (lost) return
      lost = true
      clearTimeout(timer)
      // Ending it emits `end` and `error`, which call `lose` again without effect.
      next.end().catch(() => undefined)
      if (!stopped) retry(error)
    }
    next.on('error', lose)
    next.on('end', () => lose())
    next.on('notification', onWake)
    try {
      await next.connect()
      await next.query(`listen ${quoteIdentifier(channel)}`)
      backoff.reset()
      warned = false
      onReconnect()
      beat(next, lose)
    }
    catch (error) {
      lose(error as Error)
    }
  }

  /** On a network that drops packets, a connection does not break. Only an answer proves that it still works. */
  function beat(target: pg.Client, lose: (error: Error) => void): void {
    if (stopped) return
    timer = setTimeout(() => {
      const late = setTimeout(() => lose(new Error(`no answer for ${ANSWER_MS} ms`)), ANSWER_MS)
      target.query('select 1').then(() => beat(target, lose), lose).finally(() => clearTimeout(late))
    }, HEARTBEAT_MS)
    unref(timer)
  }

  function retry(error?: Error): void {
    // Logged once per outage: subscriptions poll meanwhile.
    if (!warned) logger?.warn(`the connection that listens for new events was lost; subscriptions poll until it is back${error ? ` (${messageOf(error)})` : ''}`)
    warned = true
    timer = setTimeout(() => void connect(), backoff.next())
  }

  void connect()
  return async () => {
    stopped = true
    clearTimeout(timer)
    await client?.end().catch((error: Error) => logger?.warn(`the connection that listened for new events did not close: ${messageOf(error)}`))
  }
}
