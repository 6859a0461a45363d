// Module hook: both peers import what Nuxt would give them from `#imports`; outside of Nuxt the stub stands in.
const STUB = new URL('./imports-stub.mjs', import.meta.url).href

export function resolve(specifier, context, next) {
  return specifier === '#imports' ? { url: STUB, shortCircuit: true } : next(specifier, context)
}
