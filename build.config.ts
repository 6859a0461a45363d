import { defineBuildConfig } from 'unbuild'

export default defineBuildConfig({
  entries: ['src/nitro', 'src/cli'],
  externals: ['nitropack', 'nitropack/types', 'pg'],
})
