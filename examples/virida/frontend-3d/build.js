import { copyFile, rm, stat } from 'node:fs/promises'
import { build } from 'esbuild'

const BUDGET_KB = 64

await rm('dist', { recursive: true, force: true })
await build({
  entryPoints: ['src/main.js'],
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'esm',
  target: 'es2022',
  outdir: 'dist',
})
await copyFile('index.html', 'dist/index.html')

const { size } = await stat('dist/main.js')
console.log(`dist/main.js: ${(size / 1024).toFixed(1)} of ${BUDGET_KB} kB`)
if (size > BUDGET_KB * 1024) process.exit(1)
