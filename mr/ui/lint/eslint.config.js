// A package of its own: the linter brings another TypeScript than the one that checks the types.
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['**/api/schema.ts', '**/node_modules/**'] },
  tseslint.configs.recommended,
  {
    files: ['**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'no-console': 'error',
      eqeqeq: ['error', 'smart'],
      'no-restricted-globals': ['error', { name: 'alert', message: 'Use useNotify.' }, { name: 'confirm', message: 'Use ConfirmDialog.' }],
      'max-lines': ['error', { max: 600 }],
    },
  },
);
