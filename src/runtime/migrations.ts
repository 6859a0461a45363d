export * from './core/schema/api'
