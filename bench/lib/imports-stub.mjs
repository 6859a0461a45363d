// The functions that the peers import from `#imports`: just enough to run their plugins and to get their adapters.
let config = {}
const adapters = new Map()

export const setRuntimeConfig = (value) => {
  config = value
}
export const adapterOf = name => adapters.get(name)

export const useRuntimeConfig = () => config
export const registerStoreAdapter = (name, adapter) => adapters.set(name, adapter)
export const defineNitroPlugin = plugin => plugin
// nvent validates patches here. Without it the peers do a little less work than in production.
export const createStoreValidator = () => ({ validateUpdatePayload() {} })
