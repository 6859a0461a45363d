import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { SLICES, rowOf, sliceOf } from './slices'
import { inside, nodesOf, placeOf, readSources } from './sources'
import type { Source } from './sources'

const CORE = 'runtime/core'
const MAX_LINES = 220
const MIN_LINES = 12
// Routes, tasks and plugins of Nitro, its virtual modules, what stands in for a package, and what is imported before others.
const ENTRIES = /^runtime\/(?:nitro\d\/(?:(?:routes|tasks|worker)\/|virtual\.d$)|server\/(?:absent|loading)$)/
const FRAMEWORK = /^(?:nuxt|nuxi|nitro|nitropack|h3|vue|unimport|citty|consola|#.*|@nuxt\/.*|@nuxtjs\/.*|@vue\/.*)$/
// What the core may have from npm: the two drivers and nothing else.
const CORE_PACKAGES = ['pg', '@electric-sql/pglite']

const sources = readSources()

const offences = (files: Source[], isWrong: (source: Source, each: Source['imports'][number]) => boolean) =>
  files.flatMap(source => source.imports.filter(each => isWrong(source, each)).map(each => `${source.name} imports ${each.target}`))

describe('the sources', () => {
  it('are found, with their imports', () => {
    const of = (name: string) => sources.find(source => source.name === name)?.imports
    expect(sources.length).toBeGreaterThan(40)
    expect(of('runtime/core/db/pg/pg')).toContainEqual({ target: 'pg', isPackage: true, typeOnly: false })
    expect(of('runtime/core/db/pg/pg')).toContainEqual({ target: 'runtime/core/db/errors', isPackage: false, typeOnly: false })
    // A dynamic import, a type's import and a re-export count like any other.
    expect(of('runtime/core/db/pglite/pglite')).toContainEqual({ target: '@electric-sql/pglite', isPackage: true, typeOnly: false })
    expect(of('runtime/core/index')).toContainEqual({ target: 'runtime/core/types', isPackage: false, typeOnly: true })
    expect(of('runtime/core/db/errors')).toContainEqual({ target: 'runtime/core/shared/errors', isPackage: false, typeOnly: true })
  })

  it('import no file that is not there', () => {
    const names = new Set(sources.map(source => source.name))
    expect(offences(sources, (_, { target, isPackage }) => !isPackage && !names.has(target) && !target.startsWith('..'))).toEqual([])
  })

  it('all belong to a slice', () => {
    expect(sources.map(source => source.name).filter(name => sliceOf(name) === undefined)).toEqual([])
    expect(SLICES.filter(slice => !sources.some(({ name }) => sliceOf(name) === slice))).toEqual([])
  })
})

describe('a slice', () => {
  it('imports from rows below it and from itself only, types included', () => {
    expect(offences(sources, (source, { target, isPackage }) => {
      if (isPackage || target.startsWith('..')) return false
      return rowOf(target) > rowOf(source.name) || (rowOf(target) === rowOf(source.name) && sliceOf(target) !== sliceOf(source.name))
    })).toEqual([])
  })

  it('of the core is no framework\'s', () => {
    const core = sources.filter(inside(CORE))
    expect(offences(core, (_, { target, isPackage }) => isPackage && FRAMEWORK.test(target))).toEqual([])
    expect(offences(core, (_, { target, isPackage }) =>
      isPackage && !target.startsWith('node:') && !CORE_PACKAGES.includes(target))).toEqual([])
    expect(offences(core, (_, { target, isPackage }) => !isPackage && !inside(CORE)({ name: target }))).toEqual([])
  })

  it.each(['tables', 'sql', 'batch', 'stream', 'entries', 'kv', 'log', 'jobs'])('%s knows no driver', (folder) => {
    const files = sources.filter(inside(`${CORE}/${folder}`))
    const drivers = [...CORE_PACKAGES, 'pg-pool', `${CORE}/db/connect`]
    expect(files).not.toEqual([])
    expect(offences(files, (_, { target }) => drivers.includes(target) || target.startsWith(`${CORE}/db/pg`))).toEqual([])
  })

  it('of the app reaches the browser: of the server it knows types only', () => {
    const app = sources.filter(inside('runtime/app'))
    expect(app).not.toEqual([])
    expect(offences(app, (_, { target, isPackage, typeOnly }) => isPackage ? target !== 'vue' : !inside('runtime/app')({ name: target }) && !typeOnly)).toEqual([])
  })

  it('of tables and SQL runs nothing: of the database it knows types only', () => {
    const files = sources.filter(({ name }) => inside(`${CORE}/tables`)({ name }) || inside(`${CORE}/sql`)({ name }) || /\/sql$/.test(name))
    expect(files.length).toBeGreaterThan(12)
    expect(offences(files, (_, { target, typeOnly }) => target.startsWith(`${CORE}/db/`) && !typeOnly)).toEqual([])
    // The name of a prepared statement is a digest of its text.
    expect(offences(files, (source, { target, typeOnly }) => target.startsWith('node:') && !typeOnly && source.name !== `${CORE}/sql/statement`)).toEqual([])
  })

  it('has no import that leads back to where it came from', () => {
    const next = new Map(sources.map(source => [source.name, source.imports.filter(each => !each.isPackage).map(each => each.target)]))
    const circles: string[] = []
    const walk = (name: string, way: string[]) => {
      const start = way.indexOf(name)
      if (start >= 0) return void circles.push([...way.slice(start), name].join(' → '))
      const targets = next.get(name) ?? []
      for (const target of targets) walk(target, [...way, name])
      // All its ways are known by now.
      next.set(name, [])
    }
    for (const name of [...next.keys()]) walk(name, [])
    expect(circles).toEqual([])
  })
})

describe('a name in the core', () => {
  const core = sources.filter(inside(CORE))

  it('is exported by one file, but for what the entries give on', () => {
    const exported = core.flatMap(source => exportsOf(source).map(name => ({ name, of: source.name })))
    expect(exported.length).toBeGreaterThan(400)
    expect(repeated(exported)).toEqual([])
  })

  it('is that of one file, but for the rooms that every slice may have', () => {
    const files = core.map(({ name }) => ({ name: name.split('/').at(-1)!, of: name }))
    expect(repeated(files.filter(({ name }) => !['api', 'errors', 'sql', 'types'].includes(name)))).toEqual([])
  })
})

describe('every file', () => {
  const written = sources.filter(source => !source.name.endsWith('.gen'))

  it(`has at most ${MAX_LINES} lines`, () => {
    expect(written.filter(source => source.text.trimEnd().split('\n').length > MAX_LINES).map(source => source.name)).toEqual([])
  })

  it(`has more than ${MIN_LINES} lines, unless a framework or a bundler wants a file of its own`, () => {
    expect(written.filter(source => source.text.trimEnd().split('\n').length <= MIN_LINES && !ENTRIES.test(source.name)).map(source => source.name)).toEqual([])
  })

  it('says what its values are: no `any` outside the public types', () => {
    const found = written.filter(source => !/\/(?:types|event)$/.test(source.name)).flatMap(source =>
      [...nodesOf(source.tree)].filter(node => node.kind === ts.SyntaxKind.AnyKeyword).map(node => placeOf(source, node)))
    expect(found).toEqual([])
  })

  it('has no BigInt literal: bundlers with older targets warn of it', () => {
    expect(written.flatMap(source => [...nodesOf(source.tree)].filter(ts.isBigIntLiteral).map(node => placeOf(source, node)))).toEqual([])
  })

  it('swallows no error', () => {
    const found = written.flatMap(source => [...nodesOf(source.tree)].filter(isSilentCatch).map(node => placeOf(source, node)))
    expect(found).toEqual([])
  })

  it('leaves the end of the process to the command line', () => {
    const found = written.filter(source => source.name !== 'cli' && !inside('cli')(source)).flatMap(source => [...nodesOf(source.tree)]
      .filter(node => ts.isPropertyAccessExpression(node) && /^process\.(?:exit|abort|kill)$/.test(node.getText(source.tree)))
      .map(node => `${placeOf(source, node)} ${node.getText(source.tree)}`))
    expect(found.filter(place => !/^runtime\/core\/db\/pglite\/lockFile:\d+ process\.kill$/.test(place))).toEqual([])
  })
})

/** What a file declares and exports; what it only gives on has its name elsewhere. */
function exportsOf({ tree }: Source): string[] {
  const declared = tree.statements.filter(statement =>
    ts.canHaveModifiers(statement) && ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword))
  // A function has a declaration for each of its overloads.
  return [...new Set(declared.flatMap(statement => ts.isVariableStatement(statement)
    ? statement.declarationList.declarations.map(({ name }) => name.getText(tree))
    : [(statement as ts.DeclarationStatement).name!.getText(tree)]))]
}

function repeated(all: { name: string, of: string }[]): string[] {
  const files = new Map<string, typeof all>()
  for (const each of all) files.set(each.name, [...files.get(each.name) ?? [], each])
  return [...files].filter(([, found]) => found.length > 1).map(([name, found]) => `${name}: ${found.map(({ of }) => of).join(', ')}`)
}

/** `catch {}` and `.catch(() => {})`, with or without a comment in them. */
function isSilentCatch(node: ts.Node): boolean {
  if (ts.isCatchClause(node)) return node.block.statements.length === 0
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression) || node.expression.name.text !== 'catch') return false
  const [handler] = node.arguments
  return handler !== undefined && (ts.isArrowFunction(handler) || ts.isFunctionExpression(handler))
    && ts.isBlock(handler.body) && handler.body.statements.length === 0
}
