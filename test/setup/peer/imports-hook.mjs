// Module hook: the published adapter imports what Nuxt would give it from `#imports`.
const STUB = new URL('./imports-stub.mjs', import.meta.url).href

export function resolve(specifier, context, next) {
  return specifier === '#imports' ? { url: STUB, shortCircuit: true } : next(specifier, context)
}
