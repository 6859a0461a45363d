import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it } from 'vitest'
import { targetFlags } from '../../src/cli/settings'
import { toRuntimeConfig } from '../../src/options/runtimeConfig'
import { MODULE_OPTION_NAMES, APP_OPTIONS } from '../../src/options/moduleOptions'
import { OPTION_NAMES, constantOf, namesWith, optionOf, resolveOptions } from '../../src/runtime/core/options/resolve'
import { OPTIONS } from '../../src/runtime/core/options/table'
import { optionsBesideConnections, storeSettings } from '../../src/runtime/server/settings'

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const MEMORY = 'pglite://memory'
const CODE = ['pool', 'logger']
const FOLLOWING_NVENT = ['subjectPrefix', 'adoptFrom']
const OF_APP = ['health', 'metrics', 'consumers']
const INTERNAL = ['sources', 'adapter', 'embedded']

const config = () => toRuntimeConfig({}, { dev: false, rootDir: '/app', env: {}, warn: () => {} })
const without = (...names: string[]) => OPTION_NAMES.filter(name => !names.includes(name))
const variableOf = (name: string) => `NUXT_NVENT_STORE_POSTGRES_${name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`

/** The members of an interface as an editor shows them: with what they inherit. */
function documented(file: string, name: string) {
  const path = resolve(ROOT, file)
  const program = ts.createProgram([path], { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, strict: true, noEmit: true, skipLibCheck: true })
  const checker = program.getTypeChecker()
  const found = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(path)!)!).find(symbol => symbol.name === name)!
  return Object.fromEntries(checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(found)).map(member => [member.name, {
    comment: ts.displayPartsToString(member.getDocumentationComment(checker)),
    default: member.getJsDocTags(checker).filter(tag => tag.name === 'default').map(tag => ts.displayPartsToString(tag.text)).join(),
  }]))
}

const literal = (value: unknown) => typeof value === 'string' ? `'${value}'` : value === undefined ? '' : JSON.stringify(value)

describe('the table of options', () => {
  const ofStore = documented('src/runtime/core/options/types.ts', 'StoreOptions')
  const ofModule = documented('src/options/moduleOptions.ts', 'ModuleOptions')

  it('has the members of StoreOptions, with the defaults their comments say', () => {
    expect(Object.keys(ofStore).sort()).toEqual([...OPTION_NAMES].sort())
    expect(Object.fromEntries(Object.entries(ofStore).map(([name, each]) => [name, each.default])))
      .toEqual(Object.fromEntries(OPTION_NAMES.map(name => [name, optionOf(name).shown ?? literal(constantOf(optionOf(name)))])))
    for (const [name, { comment }] of Object.entries(ofStore)) expect(comment, name).not.toBe('')
  })

  it('has the members of ModuleOptions, whose comments are those of the store unless the app differs', () => {
    expect(Object.keys(ofModule).sort()).toEqual([...MODULE_OPTION_NAMES].sort())
    expect([...MODULE_OPTION_NAMES].sort()).toEqual([...without(...CODE, ...FOLLOWING_NVENT), ...OF_APP].sort())
    const differing = Object.keys(ofModule).filter(name => JSON.stringify(ofModule[name]) !== JSON.stringify(ofStore[name])).sort()
    expect(differing).toEqual(Object.entries({ ...OPTIONS, ...APP_OPTIONS }).filter(([, option]) => 'moduleDefault' in option).map(([name]) => name).sort())
    for (const [name, { comment }] of Object.entries(ofModule)) expect(comment, name).not.toBe('')
  })

  it('resolves every option, to its default when nothing is given', () => {
    const resolved = resolveOptions({ connection: MEMORY })
    expect(Object.keys(resolved)).toEqual(OPTION_NAMES)
    for (const name of OPTION_NAMES) if (constantOf(optionOf(name)) !== undefined) expect(resolved[name], name).toEqual(constantOf(optionOf(name)))
    expect(resolved.subjectPrefix).toBe(resolved.prefix)
    expect(resolveOptions({ connection: MEMORY, prefix: 'shop' }).subjectPrefix).toBe('shop')
    expect(OPTION_NAMES.filter(name => resolved[name] === undefined)).toEqual(['migrationConnection', 'listenConnection', 'pool', 'adoptFrom', 'poolSize'])
  })

  it('gives the names of the runtime config, with what is not given empty', () => {
    const made = config()
    expect(Object.keys(made).sort()).toEqual([...without(...CODE), ...OF_APP, ...INTERNAL].sort())
    for (const name of without(...CODE)) expect(made[name as keyof typeof made], name).toEqual(optionOf(name).empty ? '' : constantOf(optionOf(name)))
  })

  it('gives the variables that override it', () => {
    const run = (name: string) => () => storeSettings({ ...config(), connection: MEMORY }, { [variableOf(name)]: 'x' })
    for (const name of without(...CODE)) expect(run(name), name).not.toThrow(/is unknown/)
    for (const name of CODE) expect(run(name), name).toThrow(/is unknown/)
  })

  it('gives the options that the server makes of the runtime config, as the store takes them', () => {
    const { options } = storeSettings({ ...config(), connection: MEMORY }, {})
    expect(Object.keys(options).sort()).toEqual([...without(...CODE)].sort())
    expect(resolveOptions(options)).toEqual(resolveOptions({ connection: MEMORY }))
    expect(Object.keys(optionsBesideConnections(config(), {})).sort()).toEqual([...without(...CODE, ...namesWith({ kind: 'connection' }))].sort())
  })

  it('gives names that stay as written in the environment', () => {
    for (const name of namesWith({ kind: 'name' })) {
      const nitroMadeANumber = { ...config(), [name]: 1000 }
      expect(optionsBesideConnections(nitroMadeANumber, { [variableOf(name)]: '1e3' })[name], name).toBe('1e3')
    }
  })

  it('knows the flags of the command line that name options', () => {
    expect(Object.keys(targetFlags).filter(name => !['url', 'config', 'json'].includes(name)).every(name => Object.hasOwn(OPTIONS, name))).toBe(true)
  })

  it('is the table of the README', () => {
    const page = readFileSync(resolve(ROOT, 'README.md'), 'utf8')
    const table = page.slice(page.indexOf('<!-- options:start -->'), page.indexOf('<!-- options:end -->'))
    const rows = [...table.matchAll(/^\| `(\w+)` \| (.+?) \| (.+) \|$/gm)].map(([, name, , summary]) => [name, summary])
    const all = { ...OPTIONS, ...APP_OPTIONS }
    expect(rows).toEqual(MODULE_OPTION_NAMES.map(name => [name, all[name].summary]))
  })
})
