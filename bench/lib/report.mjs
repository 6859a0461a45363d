import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { busyNote } from './machine.mjs'
import { CACHE, ROOT } from './paths.mjs'

const PAGE = join(ROOT, 'docs/performance.md')

/**
 * A part of docs/performance.md and its pictures.
 * @typedef {{ markdown: string, images: Record<string, string> }} Report
 */

/**
 * Measures, or loads the results of an earlier run, and renders them. Raw results are saved before they are rendered,
 * as a run takes long.
 * @template {{ machine: string[] }} R
 * @param {string} name of the part
 * @param {{ from?: string, write: boolean }} flags
 * @param {() => Promise<R>} measure
 * @param {(results: R) => Report} render
 */
export async function report(name, flags, measure, render) {
  await mkdir(CACHE, { recursive: true })
  const results = flags.from ? JSON.parse(await readFile(flags.from, 'utf8')) : await measureWhenQuiet(measure)
  if (!flags.from) await writeFile(join(CACHE, `${name}.json`), `${JSON.stringify(results)}\n`)
  const { markdown, images } = render(results)
  console.log(`\n${markdown}`)
  const directory = flags.write ? join(ROOT, 'docs/images') : CACHE
  await mkdir(directory, { recursive: true })
  for (const [file, svg] of Object.entries(images)) await writeFile(join(directory, file), svg)
  if (!flags.write) return console.log(`\nPictures: ${directory}`)
  await writeFile(PAGE, replacePart(await readFile(PAGE, 'utf8'), name, markdown))
  console.log(`\nWritten to ${PAGE} and ${directory}`)
}

async function measureWhenQuiet(measure) {
  const note = await busyNote()
  if (note) console.error(note)
  const results = await measure()
  if (note) results.machine.push(note)
  return results
}

function replacePart(page, name, markdown) {
  const [start, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`]
  const [from, to] = [page.indexOf(start), page.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${PAGE} has no ${start} … ${end}`)
  return `${page.slice(0, from + start.length)}\n${markdown.trim()}\n${page.slice(to)}`
}

/** @param {string[]} head @param {(string | number)[][]} rows */
export function table(head, rows) {
  const line = cells => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, at) => at === 0 ? '---' : '--:')), ...rows.map(line)].join('\n')
}

export const bullets = lines => lines.map(line => `- ${line}`).join('\n')
export const details = (summary, body) => `<details><summary>${summary}</summary>\n\n${body}\n\n</details>`

export const whole = number => number === undefined ? '–' : Math.round(number).toLocaleString('en-US')
/** Rounds to three digits, the accuracy of a measurement. */
export const times = number => number === undefined ? '–' : `${number >= 100 ? Math.round(number) : Number(number.toPrecision(number >= 10 ? 3 : 2))}×`
export const milliseconds = ms => `${Number(ms.toPrecision(3))} ms`
export const amount = n => n >= 1e6 ? `${n / 1e6} M` : n.toLocaleString('en-US')
