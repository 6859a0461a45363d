import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { outside, root } from './support'

const MODULE = 'nvent-store-postgres'

/**
 * An app of the files that pages of the documentation show, each under the name its first line gives. Of a name that
 * comes twice the last one counts, unless `first` says otherwise. The package is this checkout.
 */
export async function documentedApp(pages: string[], { which = 'last' }: { which?: 'first' | 'last' } = {}): Promise<string> {
  const files = new Map<string, string>([
    ['package.json', '{ "private": true, "type": "module" }'],
    ['app/app.vue', '<template><div /></template>'],
  ])
  const shown = new Map<string, string>()
  for (const page of pages) {
    const text = await readFile(join(root, page), 'utf8')
    for (const [, name, code] of text.matchAll(/^```(?:ts|vue)\n(?:\/\/|<!--) ([\w./[\]-]+\.(?:ts|vue))(?: -->)?\n(.*?)^```$/gms)) {
      if (which === 'last' || !shown.has(name!)) shown.set(name!, code!)
    }
  }
  const directory = await outside('documented')
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
  for (const [name, code] of new Map([...files, ...shown])) {
    await mkdir(dirname(join(directory, name)), { recursive: true })
    await writeFile(join(directory, name), fromCheckout(code))
  }
  return directory
}

/** The sources in the place of the package, which is not built here. */
const fromCheckout = (code: string) => code
  .replaceAll(`'${MODULE}'`, JSON.stringify(join(root, 'src/module')))
  .replaceAll(`'${MODULE}/core'`, JSON.stringify(join(root, 'src/runtime/core/index')))
