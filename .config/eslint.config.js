import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

export default defineConfig(globalIgnores(['dist/', '**/node_modules/', 'src/sql/*.generated.*']), {
  files: ['**/*.ts'],
  extends: [tseslint.configs.strictTypeChecked],
  linterOptions: { reportUnusedDisableDirectives: 'error' },
  languageOptions: { parserOptions: { project: '.config/tsconfig.check.json', tsconfigRootDir: ROOT } },
  rules: {
    '@typescript-eslint/consistent-type-imports': 'error',
    '@typescript-eslint/consistent-type-exports': 'error',
    // `void` says that nobody waits on purpose.
    '@typescript-eslint/no-floating-promises': ['error', { ignoreVoid: true }],
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
    // A shorthand arrow such as `() => queue.push(row)` reads well; a misused promise is still found by no-misused-promises.
    '@typescript-eslint/no-confusing-void-expression': 'off',
    // `async` on a method that a contract makes asynchronous turns its throws into rejections.
    '@typescript-eslint/require-await': 'off',
    '@typescript-eslint/no-unnecessary-condition': ['error', { allowConstantLoopConditions: 'only-allowed-literals' }],
    '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
    eqeqeq: 'error',
  },
});
