// The playground: `npm run dev` at the root runs it.
export default defineNuxtConfig({
  modules: ['./src/module'],
  devtools: { enabled: false },
  srcDir: 'playground',
  serverDir: 'playground/server',
  compatibilityDate: '2025-07-15',
})
