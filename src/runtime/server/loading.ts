import { loading } from '../core/shared/errors'

/*
 * Imported before the consumers, in development: when one of their files throws, the development server answers each request
 * with the error. The plugin, which runs once all is loaded, ends it.
 */
loading.isUnderWay = true
