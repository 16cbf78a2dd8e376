const Sequencer = require('@jest/test-sequencer').default;

/** The suites that take longest. Without times of an earlier run, Jest begins with the longest files, and these are short. */
const LONGEST = [
  'explore/explore',
  'library/library',
  'postgres/nested/nested-ciphertext',
  'postgres/sample/find-columns',
  'postgres/job/row-errors',
  'story/story.wide',
  'story/other-stories.wide',
  'explore/largest.wide',
  'postgres/commands/maintain.wide',
  'cli/killed.wide',
];

/** Begins with the longest suites, so that no worker is idle at the end while another one still runs them. */
module.exports = class extends Sequencer {
  sort(tests) {
    const place = ({ path }) => {
      const index = LONGEST.findIndex((name) => path.replaceAll('\\', '/').endsWith(`/test/${name}.test.ts`));
      return index < 0 ? LONGEST.length : index;
    };
    return [...super.sort(tests)].sort((one, other) => place(one) - place(other));
  }
};
