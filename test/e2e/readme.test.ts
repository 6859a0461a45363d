import { describe, expect, it } from 'vitest'
import { documentedApp } from './documented'
import { startDev, until } from './support'

interface Greeting {
  type: string
  data: unknown
}

describe('the quick start of README', () => {
  it('works as it stands, on the embedded database', async () => {
    const app = await startDev(await documentedApp(['README.md'], { which: 'first' }))
    const greetings = async () => {
      const answer = await until(
        () => fetch(`${app.url}/api/hello`).then(response => response.json() as Promise<Greeting[]>).catch(() => undefined),
        body => Array.isArray(body),
      )
      return answer!.map(({ type, data }) => ({ type, data }))
    }
    const first = { type: 'greeting.sent', data: { visits: 1 } }
    expect(await greetings()).toEqual([first])
    expect(await greetings()).toEqual([{ type: 'greeting.sent', data: { visits: 2 } }, first])
    expect(app.logs()).toContain('from the development default')
    await app.stop()
  })
})
