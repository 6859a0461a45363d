export type * from './entries'
export type * from './kv'
export type * from './store'
export type * from './stream'
