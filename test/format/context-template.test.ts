import fc from 'fast-check';
import { contextOf, contextTemplate } from '../../src/format/context-template.ts';
import { KeyRotationError } from '../../src/format/error.ts';

describe('a context template', () => {
  test('puts columns of the row between its texts', () => {
    const template = contextTemplate('{table}:{{{id}}}:notes');
    expect(template.columns).toEqual(['table', 'id']);
    expect(contextOf(template, ['patients', '7'])).toBe('patients:{7}:notes');
    expect(contextOf(template, ['patients', null])).toBeUndefined();
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
    expect(() => contextTemplate(source)).toThrow(KeyRotationError);
  });
});
