export * from './core/migrate/api'
