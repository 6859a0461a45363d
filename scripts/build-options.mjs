// Generates the table of options in README.md, between the markers, from the options in the sources. `--check` fails
// when it is out of date.
import { readFile, writeFile } from 'node:fs/promises'
import { createJiti } from 'jiti'

const START = '<!-- options:start -->'
const END = '<!-- options:end -->'

const target = new URL('../README.md', import.meta.url)
const jiti = createJiti(import.meta.url)
const { OPTIONS } = await jiti.import('../src/runtime/core/options/table.ts')
const { MODULE_OPTION_NAMES, APP_OPTIONS } = await jiti.import('../src/options/moduleOptions.ts')

const options = { ...OPTIONS, ...APP_OPTIONS }
const literal = value => `\`${typeof value === 'string' ? `'${value}'` : JSON.stringify(value)}\``
const defaultOf = ({ moduleDefault, shown, default: value }) => moduleDefault ?? (shown ? `\`${shown}\`` : literal(value))
const rows = MODULE_OPTION_NAMES.map(name => `| \`${name}\` | ${defaultOf(options[name])} | ${options[name].summary} |`)

const page = await readFile(target, 'utf8')
const [from, to] = [page.indexOf(START), page.indexOf(END)]
if (from < 0 || to < from) throw new Error(`README.md has no ${START} … ${END}`)
const written = `${page.slice(0, from + START.length)}\n${['| option | default | what it does |', '|---|---|---|', ...rows].join('\n')}\n${page.slice(to)}`
if (!process.argv.includes('--check')) {
  await writeFile(target, written)
}
else if (page !== written) {
  console.error('The options in README.md are out of date: run `npm run options`')
  process.exitCode = 1
}
