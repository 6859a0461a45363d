import { fileURLToPath } from 'node:url'

// The playground: `npm run dev` at the root runs it.
export default defineNuxtConfig({
  modules: ['./src/module'],
  devtools: { enabled: false },
  css: ['~/assets/desk.css'],
  srcDir: 'playground',
  serverDir: 'playground/server',
  // The playground reads as an app that has the package installed.
  alias: { 'nvent-store-postgres/core': fileURLToPath(new URL('./src/runtime/core/index', import.meta.url)) },
  compatibilityDate: '2025-07-15',
  // The footer links to them.
  nitro: { publicAssets: [{ dir: fileURLToPath(new URL('./docs', import.meta.url)), baseURL: '/docs', maxAge: 0 }] },
})
