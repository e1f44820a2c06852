import js from '@eslint/js'

export default [
  { ignores: ['dist/'] },
  js.configs.recommended,
  {
    languageOptions: {
      globals: { console: 'readonly', document: 'readonly', fetch: 'readonly', process: 'readonly', URL: 'readonly' },
    },
    rules: { eqeqeq: 'error', 'prefer-const': 'error', 'no-var': 'error' },
  },
]
