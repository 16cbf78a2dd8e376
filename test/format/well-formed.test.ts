import { requireWellFormed } from '../../src/format/well-formed.ts';
import { errorOf } from './support/error-of.ts';

test.each(['', 'Patient has diabetes', 'Zoë', '😀', '\u{10FFFF}', '\uFFFD', '\uFEFF', '\0'])(
  '%j is well-formed',
  (text) => {
    expect(() => {
      requireWellFormed(text, 'text');
    }).not.toThrow();
  },
);

test.each(['\uD83D', '\uDE00', 'a\uD83D', '\uDE00\uD83D', '😀'.slice(0, 1), '\uD83D\uD83D\uDE00'])(
  '%j is not, and the error says which of the two it was, but not the text',
  (text) => {
    const error = errorOf(() => {
      requireWellFormed(`secret${text}`, 'context');
    });
    expect(error.code).toBe('INVALID_TEXT');
    expect(error.message).toMatch(/^The context /);
    expect(error.message).not.toContain('secret');
    expect(error.message).toContain('Cut between characters');
  },
);
