/** `npm run check:library` sets this: compiling with the types of the SDK takes as long as many suites of `npm test`. */
const isChecked = process.env['CHECK_LIBRARY'] !== undefined;

export const testWhenChecked = isChecked ? test : test.skip;
export const describeWhenChecked = isChecked ? describe : describe.skip;
