/** The rooms of the product and the one way its dependencies point (docs/architecture.md). */
module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'keyring-knows-nobody',
      comment: 'What both sides share must not depend on either side.',
      severity: 'error',
      from: { path: '^src/keyring/' },
      to: { path: '^src/(?!keyring/)' },
    },
    {
      name: 'steps-know-only-the-keyring',
      severity: 'error',
      from: { path: '^src/steps/' },
      to: { path: '^src/(?!steps/|keyring/)' },
    },
    {
      name: 'handler-knows-steps-and-keyring',
      comment: 'The Lambda bundle holds nothing of the local service, the story or the commands.',
      severity: 'error',
      from: { path: '^src/handler' },
      to: { path: '^src/(local|story|cli)/' },
    },
    {
      name: 'data-knows-only-the-keyring',
      severity: 'error',
      from: { path: '^src/data/' },
      to: { path: '^src/(?!data/|keyring/)' },
    },
    {
      name: 'only-commands-touch-data-at-rest',
      comment: 'The Lambda and the library hold no database driver.',
      severity: 'error',
      from: { path: '^src/(?!data/|cli/)' },
      to: { path: '^src/data/' },
    },
    {
      name: 'the-local-service-knows-none-of-the-product',
      comment: 'A fake that shares code with what it tests agrees with its mistakes.',
      severity: 'error',
      from: { path: '^src/local/' },
      to: { path: '^src/(?!local/)' },
    },
    {
      name: 'nobody-needs-the-story',
      severity: 'error',
      from: { path: '^(src/(?!story/)|bench)' },
      to: { path: '^src/story/' },
    },
    {
      name: 'the-commands-know-data-steps-and-keyring',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^src/(?!cli/|data/|steps/|keyring/)' },
    },
    {
      name: 'nobody-knows-the-commands',
      severity: 'error',
      from: { path: '^src/(?!cli/)' },
      to: { path: '^src/cli/' },
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
