import { nestedKeys } from '../../../src/postgres/nested/nested-ciphertext.ts';
import { CONTEXT, keys, sealed, slashed } from './support/inner.ts';

describe('long values are no trouble', () => {
  const base64 = sealed(Buffer.from('inner'), 1, CONTEXT).toString('base64');
  const letters = 'abcdefghij'.repeat(700_000);

  it.each([
    ['one run of base64', `${letters} ${base64}`],
    ['one run of hexadecimal', `${'0123456789'.repeat(700_000)} ${base64}`],
    ['millions of short lines', `${'A'.repeat(16)}${'\nA'.repeat(3_500_000)} ${base64}`],
    ['many lines of one length', `${`${'Ab0+'.repeat(16)}\n`.repeat(20_000)} ${base64}`],
    ['many separators', `${'Ab-'.repeat(500_000)} ${base64}`],
    ['millions of blanks in a line end', `${'A'.repeat(16)}${' '.repeat(3_000_000)}\nA ${base64}`],
    ['millions of escapes', `${'\\n'.repeat(3_000_000)} ${base64}`],
    ['JSON of millions of escapes', JSON.stringify({ a: '\n'.repeat(3_000_000), v: base64 })],
    ['JSON in JSON, 20 deep', escapedTimes(slashed(base64), 20)],
    ['JSON in JSON, 200 deep', escapedTimes(slashed(base64), 200)],
    ['millions of escaped percent signs', `%${'25'.repeat(1_500_000)}2B ${base64}`],
    ['millions of numbers', `[${'7,'.repeat(3_500_000)}1000] ${base64}`],
    ['millions of commas', `${','.repeat(3_500_000)}1,${' '.repeat(3_500_000)} ${base64}`],
    ['many escaped bytes', `${'\\001'.repeat(500_000)} ${base64}`],
    ['many quotes between escaped bytes', `\\001${`'"\\"'"`.repeat(300_000)} ${base64}`],
    ['many lines of escaped bytes', `${`${'\\x01'.repeat(7)}\n`.repeat(20_000)} ${base64}`],
    ['millions of escaped high bytes', `${'%9E'.repeat(1_500_000)} ${'%9E/'.repeat(500_000)} ${base64}`],
    ['millions of percent signs', `${'%2B%'.repeat(1_500_000)} ${base64}`],
    ['percent signs and escapes, 14 deep in one another', `%${'25'.repeat(14)}\\${'u005c'.repeat(14)}n ${base64}`],
    ['deep JSON', `{"a":${'['.repeat(100_000)}"${base64}"${']'.repeat(100_000)}}`],
  ])('%s', (_, value) => {
    expect([...nestedKeys(Buffer.from(value), [CONTEXT], keys)]).toEqual([1]);
  });

  it.each([
    ['text that was escaped in two ways, 40 times each', Buffer.from(`%${'5Cu0025'.repeat(40)}41 ${base64}`)],
    [
      '40 ciphertexts in one another',
      Array.from({ length: 40 }).reduce<Buffer>((inner) => sealed(inner, 1, ''), Buffer.from('inner')),
    ],
  ])('but not %s, which is refused', (_, value) => {
    expect(() => nestedKeys(value, [CONTEXT], keys)).toThrow('32 levels');
  });
});

/** JSON in strings of JSON, of which each level adds five characters to a quote. */
function escapedTimes(text: string, levels: number): string {
  const quotes = Array.from({ length: levels }, (_, n) => (n === 0 ? '"' : `\\${'u005c'.repeat(n - 1)}u0022`));
  return `${quotes.join('')}${text}${quotes.reverse().join('')}`;
}
