import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { outside, root, startDev, until } from './support'

interface Greeting {
  type: string
  data: unknown
}

/** An app of the files in README's quick start, each under the name its first line gives; the first of a name counts. */
async function quickStart(): Promise<string> {
  const directory = await outside('readme')
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  await writeFile(join(directory, 'package.json'), '{ "private": true, "type": "module" }')
  await mkdir(join(directory, 'app'))
  await writeFile(join(directory, 'app/app.vue'), '<template><div /></template>')
  const files = new Map<string, string>()
  for (const [, name, text] of (await readFile(join(root, 'README.md'), 'utf8')).matchAll(/^```ts\n\/\/ ([\w./]+\.ts)\n(.*?)^```$/gms)) {
    if (!files.has(name!)) files.set(name!, text!)
  }
  for (const [name, text] of files) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    // The package is this checkout.
    await writeFile(join(directory, name), text.replaceAll('\'nvent-store-postgres\'', JSON.stringify(join(root, 'src/module'))))
  }
  return directory
}

describe('the quick start of README', () => {
  it('works as it stands, on the embedded database', async () => {
    const app = await startDev(await quickStart())
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
