// Lint rules. Architecture (who may import whom) is guarded by src/layers.test.ts; here live the rules about code itself and
// the capability fences that a reader would otherwise have to remember.
import tseslint from 'typescript-eslint';
import reactHooks from 'eslint-plugin-react-hooks';

export default tseslint.config(
  // src/wasm/kernels is AssemblyScript: TypeScript's syntax, WebAssembly's types.
  { ignores: ['dist/', 'node_modules/', 'test-results/', 'playwright-report/', 'public/', 'src/wasm/kernels/'] },
  ...tseslint.configs.recommended,
  {
    files: ['src/**/*.{ts,tsx}', 'e2e/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'No `export *`: import the file that defines the name.' },
      ],
    },
  },
  { files: ['src/ui/**/*.{ts,tsx}'], plugins: { 'react-hooks': reactHooks }, rules: reactHooks.configs.recommended.rules },
);
