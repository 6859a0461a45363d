// Just enough for the published adapter to run outside of Nuxt.
export const useRuntimeConfig = () => ({})
export const registerStoreAdapter = () => {}
export const defineNitroPlugin = plugin => plugin
export const createStoreValidator = () => ({ validateUpdatePayload() {} })
