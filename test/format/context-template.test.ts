import fc from 'fast-check';
import { contextOf, contextTemplate, isAmbiguous } from '../../src/format/context-template.ts';
import { errorOf } from './support/error-of.ts';

describe('a context template', () => {
  test('puts columns of the row between its texts', () => {
    const template = contextTemplate('{table}:{{{id}}}:notes');
    expect(template.columns).toEqual(['table', 'id']);
    expect(contextOf(template, ['patients', '7'])).toBe('patients:{7}:notes');
    expect(contextOf(template, ['patients', null])).toBeUndefined();
    expect(contextOf(template, ['patients'])).toBeUndefined();
  });

  test('gives any text back whose braces are doubled', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const template = contextTemplate(text.replaceAll('{', '{{').replaceAll('}', '}}'));
        expect(template.columns).toEqual([]);
        expect(contextOf(template, [])).toBe(text);
      }),
    );
  });

  test.each(['{', '}', '{}', 'a}b', '{a', '{a{b}}'])('refuses %j', (source) => {
    const error = errorOf(() => contextTemplate(source));
    expect(error.code).toBe('INVALID_COLUMN');
    expect(error.message).toContain(JSON.stringify(source));
    expect(error.message).toContain('{{ or }}');
  });

  test('has one row for a context, unless a value is ambiguous', () => {
    const part = fc.stringMatching(/^[ab:]{0,4}$/);
    const separator = fc.constantFrom('', ':', '::', 'a:');
    fc.assert(
      fc.property(separator, part, part, part, part, (between, a, b, c, d) => {
        const template = contextTemplate(`t:{x}${between}{y}:n`);
        const isSame = contextOf(template, [a, b]) === contextOf(template, [c, d]);
        if (!isSame || (a === c && b === d)) return;
        expect(isAmbiguous(template, [a, b]) || isAmbiguous(template, [c, d])).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(isAmbiguous(contextTemplate('a:{x}:{y}'), ['1', '2:3'])).toBe(false);
    expect(isAmbiguous(contextTemplate('a:{x}:{y}'), ['1:2', '3'])).toBe(true);
  });
});
