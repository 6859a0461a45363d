// A module hook that resolves `#imports`, from which both peers import functions of Nuxt, to the stub.
const STUB = new URL('./imports-stub.mjs', import.meta.url).href

export function resolve(specifier, context, next) {
  return specifier === '#imports' ? { url: STUB, shortCircuit: true } : next(specifier, context)
}
