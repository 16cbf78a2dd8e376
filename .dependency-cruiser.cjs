/**
 * The folders of the product, and what each may import (docs/architecture.md). A folder that is missing here may import
 * nothing of `src`.
 */
const MAY_IMPORT = {
  format: [],
  keyring: ['format'],
  columns: ['keyring', 'format'],
  secret: ['format'],
  steps: ['secret', 'format'],
  postgres: ['keyring', 'format'],
  cli: ['secret', 'keyring', 'postgres', 'format'],
  // A fake that shares code with what it tests agrees with its mistakes.
  local: [],
  // With `--maintain` it does the work of a command.
  story: ['local', 'cli', 'keyring', 'format'],
};

const folderRules = Object.entries(MAY_IMPORT).map(([folder, others]) => ({
  name: `${folder}-imports-only-${others.join('-and-') || 'itself'}`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: `^src/(?!(${[folder, ...others].join('|')})/)` },
}));

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...folderRules,
    {
      name: 'every-folder-has-a-rule',
      severity: 'error',
      from: { path: `^src/(?!(${Object.keys(MAY_IMPORT).join('|')})/)[^/]+/` },
      to: {},
    },
    {
      name: 'the-lambda-holds-only-the-protocol',
      comment: 'Nothing of the local service, the story, the commands or a database gets into the bundle.',
      severity: 'error',
      from: { path: '^src/handler' },
      to: { path: '^src/(?!(steps|secret|format)/)' },
    },
    {
      name: 'the-library-is-the-key-ring',
      severity: 'error',
      from: { path: '^src/index' },
      to: { path: '^src/(?!(keyring|format)/)' },
    },
    {
      name: 'testing-is-the-local-service',
      severity: 'error',
      from: { path: '^src/testing' },
      to: { path: '^src/(?!local/)' },
    },
    {
      name: 'no-bench-needs-the-story',
      severity: 'error',
      from: { path: '^bench/' },
      to: { path: '^src/story/' },
    },
    {
      name: 'no-test-code-in-the-product',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
};
