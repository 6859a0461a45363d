import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { inside, nodesOf, placeOf, readSources } from './sources'
import type { Source } from './sources'

const SQL = /^\s*\(?(?:select|insert into|update|delete from|with|where|create|alter|drop|lock|truncate|reindex|set local|begin|commit|returning|union|order by|cross join|coalesce|case when|do \$)\b/
// They quote: names and literals, elements of arrays, labels of metrics.
const QUOTING = ['runtime/core/shared/identifier', 'runtime/core/sql/array', 'runtime/core/observability/prometheus']
// They edit text: quotes are doubled, the placeholders of migrations are filled, settings and labels are escaped.
const EDITING = [...QUOTING, 'runtime/core/schema/render', 'runtime/core/db/pg/serverSettings']

const sources = readSources().filter(source => (inside('runtime/core')(source) || inside('cli')(source)) && !source.name.endsWith('.gen'))

/** The texts of a file, with what stands before each substitution. */
function* textsOf(source: Source): Generator<{ node: ts.Node, parts: string[] }> {
  for (const node of nodesOf(source.tree)) {
    if (ts.isTemplateExpression(node)) yield { node, parts: [node.head.text, ...node.templateSpans.map(span => span.literal.text)] }
    else if (ts.isStringLiteralLike(node)) yield { node, parts: [node.text] }
  }
}

const holdsSql = (source: Source) => [...textsOf(source)].some(({ parts }) => SQL.test(parts[0]!))

/** Names in quotes that were not quoted by `quoteIdentifier`. */
const quotedByHand = (source: Source) => [...textsOf(source)]
  .filter(({ parts }) => parts.slice(0, -1).some(part => part.endsWith('"')))
  .map(({ node }) => placeOf(source, node))

/** Values in a statement as literals that were not quoted by `quoteLiteral`, alone or within an array. */
const literalsByHand = (source: Source) => [...textsOf(source)]
  .filter(({ parts }) => SQL.test(parts[0]!) && parts.slice(0, -1).some((_, at) => parts.slice(0, at + 1).join('').split('\'').length % 2 === 0))
  .map(({ node }) => placeOf(source, node))

const editedText = (source: Source) => [...nodesOf(source.tree)]
  .filter(node => ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression) && /^replace(?:All)?$/.test(node.expression.name.text))
  .map(node => placeOf(source, node))

const scanned = (text: string): Source =>
  ({ name: 'sample', text, imports: [], tree: ts.createSourceFile('sample.ts', text, ts.ScriptTarget.Latest, true) })

describe('the text of statements', () => {
  it('is found, with what offends', () => {
    expect(sources.filter(holdsSql).length).toBeGreaterThan(25)
    expect(quotedByHand(scanned('const own = columns.map(name => `t."${name}" is null`)'))).toEqual(['sample:1'])
    expect(literalsByHand(scanned('const text = `\nselect a #> \'{${path.join()}}\'::text[]`'))).toEqual(['sample:1'])
    expect(editedText(scanned('const text = sql.replace(\'a\', \'b\')\n  .replaceAll(\'c\', \'d\')'))).toEqual(['sample:1', 'sample:1'])
  })

  it('has names that were quoted where a spec was compiled', () => {
    expect(sources.filter(({ name }) => !QUOTING.includes(name)).flatMap(quotedByHand)).toEqual([])
  })

  it('has values as parameters, and what belongs to its shape through `quoteLiteral`', () => {
    expect(sources.flatMap(literalsByHand)).toEqual([])
  })

  it('is put together, not edited', () => {
    expect(sources.filter(source => inside('runtime/core')(source) && holdsSql(source) && !EDITING.includes(source.name)).flatMap(editedText)).toEqual([])
  })
})
