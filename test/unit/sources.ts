import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, posix, relative, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

export const SRC = resolve(dirname(fileURLToPath(import.meta.url)), '../../src')

/** One import of a file, however it is written: import, export from, import(), or import('…') in a type. */
export interface Import {
  /** A package's name, or a path inside src without its extension. */
  target: string
  isPackage: boolean
  /** Gone after compilation. */
  typeOnly: boolean
}

export interface Source {
  /** Path inside src without its extension: `runtime/core/db/pg`. */
  name: string
  text: string
  tree: ts.SourceFile
  imports: Import[]
}

/** Every TypeScript file below a directory, declarations included. */
export function readSources(root = SRC): Source[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts'))
    .map(file => readSource(root, file))
}

function readSource(root: string, file: string): Source {
  const text = readFileSync(join(root, file), 'utf8')
  const name = withoutExtension(file.split(sep).join('/'))
  const tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const imports = [...importsOf(tree)].map(({ specifier, typeOnly }) => {
    const isPackage = !specifier.startsWith('.')
    const target = isPackage ? packageOf(specifier) : fileOf(root, posix.join(posix.dirname(name), specifier))
    return { target, isPackage, typeOnly }
  })
  return { name, text, tree, imports }
}

const withoutExtension = (path: string) => path.replace(/\.(ts|js|mjs)$/, '')

/** `./core` is `./core/index`. */
function fileOf(root: string, path: string): string {
  const file = withoutExtension(path)
  return ts.sys.fileExists(join(root, `${file}.ts`)) || !ts.sys.fileExists(join(root, file, 'index.ts')) ? file : posix.join(file, 'index')
}

const packageOf = (specifier: string) => specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')

function* importsOf(tree: ts.SourceFile): Generator<{ specifier: string, typeOnly: boolean }> {
  for (const node of nodesOf(tree)) {
    if (ts.isImportDeclaration(node)) {
      yield { specifier: textOf(node.moduleSpecifier), typeOnly: node.importClause?.isTypeOnly ?? false }
    }
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      yield { specifier: textOf(node.moduleSpecifier), typeOnly: node.isTypeOnly }
    }
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      yield { specifier: textOf(node.arguments[0]!), typeOnly: false }
    }
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      yield { specifier: textOf(node.argument.literal), typeOnly: true }
    }
    else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      yield { specifier: textOf(node.moduleReference.expression), typeOnly: node.isTypeOnly }
    }
    else if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'require') {
      yield { specifier: textOf(node.arguments[0]!), typeOnly: false }
    }
  }
}

function textOf(node: ts.Node): string {
  // A name that is put together at run time can't be checked: it is its own kind of offence.
  return ts.isStringLiteralLike(node) ? node.text : `unknown (${node.getText()})`
}

/** All nodes of a tree, parents first. */
export function* nodesOf(tree: ts.Node): Generator<ts.Node> {
  yield tree
  const children: ts.Node[] = []
  ts.forEachChild(tree, child => void children.push(child))
  for (const child of children) yield* nodesOf(child)
}

/** `runtime/core/db/pg:12` */
export function placeOf({ name, tree }: Source, node: ts.Node): string {
  return `${name}:${tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1}`
}

export const inside = (folder: string) => ({ name }: { name: string }): boolean => !relative(folder, name).startsWith('..')
