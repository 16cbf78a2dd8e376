import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { perform } from '../../../src/local/service/perform.ts';
import { StateMachine } from '../support/state-machine.ts';

const machine = new StateMachine();

function password(input: object): string {
  const context = { ...machine.context, randomBytes };
  return String(perform(machine.state, 'GetRandomPassword', input, context).output['RandomPassword']);
}

const TYPES: Readonly<Record<string, RegExp>> = {
  ExcludeUppercase: /[A-Z]/,
  ExcludeLowercase: /[a-z]/,
  ExcludeNumbers: /[0-9]/,
  ExcludePunctuation: /[!-/:-@[-`{-~]/,
};

test('by default it has 32 characters, at least one of each type, and no space', () => {
  const made = password({});
  expect(made).toHaveLength(32);
  for (const type of Object.values(TYPES)) expect(made).toMatch(type);
  expect(made).not.toContain(' ');
});

test('has the length and the types that were asked for, and nothing that was excluded', () => {
  const switches = fc.record({
    ExcludeUppercase: fc.boolean(),
    ExcludeLowercase: fc.boolean(),
    ExcludeNumbers: fc.boolean(),
    ExcludePunctuation: fc.constant(false),
    IncludeSpace: fc.boolean(),
  });
  fc.assert(
    fc.property(switches, fc.integer({ min: 4, max: 600 }), (excluded, PasswordLength) => {
      const made = password({ ...excluded, PasswordLength, ExcludeCharacters: 'aZ5!' });
      expect(made).toHaveLength(PasswordLength);
      expect(made).not.toMatch(/[aZ5!]/);
      for (const [name, isExcluded] of Object.entries(excluded)) {
        const type = TYPES[name];
        if (type !== undefined) expect(type.test(made)).toBe(!isExcluded);
      }
      if (!excluded.IncludeSpace) expect(made).not.toContain(' ');
    }),
    { numRuns: 50 },
  );
});

test('a space is included where it is asked for', () => {
  expect(password({ PasswordLength: 4096, IncludeSpace: true })).toContain(' ');
});

test('types need not all be there where that is switched off', () => {
  expect(password({ PasswordLength: 1, RequireEachIncludedType: false })).toHaveLength(1);
});

test.each([
  [{ PasswordLength: 3 }, 'Password length is too short based on the required types.'],
  [{ ExcludeCharacters: '0123456789' }, 'All characters of the desired type have been excluded.'],
  [
    { ExcludeUppercase: true, ExcludeLowercase: true, ExcludeNumbers: true, ExcludePunctuation: true },
    'All characters have been excluded from selection.',
  ],
])('%j is refused', (input, message) => {
  expect(machine.refusal('GetRandomPassword', input)).toBe(`InvalidParameterException: ${message}`);
});
