// What the peers import from `#imports`: just enough to run their plugins and to get hold of their adapters.
let config = {}
const adapters = new Map()

export const setRuntimeConfig = (value) => {
  config = value
}
export const adapterOf = name => adapters.get(name)

export const useRuntimeConfig = () => config
export const registerStoreAdapter = (name, adapter) => adapters.set(name, adapter)
export const defineNitroPlugin = plugin => plugin
// nvent checks patches here. Without it the peers have a little less to do than in real life.
export const createStoreValidator = () => ({ validateUpdatePayload() {} })
