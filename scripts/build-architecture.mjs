// Generates the diagram and the table of slices in docs/architecture.md, between its markers, from the imports of src.
// `--check` fails when they are out of date.
import { readFile, writeFile } from 'node:fs/promises'
import { createJiti } from 'jiti'

const target = new URL('../docs/architecture.md', import.meta.url)
const jiti = createJiti(import.meta.url)
const { ROWS, SLICES, sliceOf } = await jiti.import('../test/unit/slices.ts')
const { readSources } = await jiti.import('../test/unit/sources.ts')

const imports = new Map(SLICES.map(slice => [slice, new Set()]))
for (const { name, imports: targets } of readSources()) {
  for (const each of targets) {
    const [from, to] = [sliceOf(name), each.isPackage ? undefined : sliceOf(each.target)]
    if (to && to !== from) imports.get(from).add(to)
  }
}

/** All slices that a slice imports directly or indirectly, including itself. */
const reached = slice => new Set([slice, ...[...imports.get(slice)].flatMap(next => [...reached(next)])])

/** The direct imports without those that another import reaches too (transitive reduction). */
const direct = slice => [...imports.get(slice)].filter(to =>
  ![...imports.get(slice)].some(other => other !== to && reached(other).has(to)))

const id = slice => slice.replaceAll(/\W/g, '_')
const downwards = ROWS.toReversed().map(slices => Object.entries(slices))
const picture = [
  '```mermaid',
  'flowchart TD',
  ...downwards.map(slices => `  ${slices.map(([slice]) => `${id(slice)}["${slice}"]`).join('; ')}`),
  ...downwards.flat().flatMap(([slice]) => direct(slice).sort((a, b) => SLICES.indexOf(b) - SLICES.indexOf(a)).map(to => `  ${id(slice)} --> ${id(to)}`)),
  '```',
]
const table = [
  '| row | slice | holds |',
  '|--:|---|---|',
  ...downwards.flatMap((slices, at) => slices.map(([slice, holds]) => `| ${downwards.length - at} | ${slice} | ${holds} |`)),
]

const page = await readFile(target, 'utf8')
const written = replacePart(replacePart(page, 'picture', picture), 'slices', table)
if (!process.argv.includes('--check')) {
  await writeFile(target, written)
}
else if (page !== written) {
  console.error('docs/architecture.md is out of date with the imports of src: run `npm run architecture`')
  process.exitCode = 1
}

function replacePart(text, name, lines) {
  const [start, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(start), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/architecture.md has no ${start} … ${end}`)
  return `${text.slice(0, from + start.length)}\n${lines.join('\n')}\n${text.slice(to)}`
}
