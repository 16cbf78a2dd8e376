import { invalidParameter } from '../service-error.ts';
import type { Outcome } from '../secrets.ts';
import type { getRandomPassword as shape, Read } from '../shapes.ts';
import type { CallContext, ServiceState } from '../state.ts';

const DEFAULT_LENGTH = 32;

type Request = Read<typeof shape>;

/** The three refusals are recorded (of CloudFormation, which passes them on). */
export function getRandomPassword(state: ServiceState, input: Request, context: CallContext): Outcome {
  const types = includedTypes(input);
  const length = input.PasswordLength ?? DEFAULT_LENGTH;
  const required = input.RequireEachIncludedType === false ? [] : types;
  if (required.some((characters) => characters.length === 0)) {
    throw invalidParameter('All characters of the desired type have been excluded.');
  }
  const space = input.IncludeSpace === true ? without(' ', input.ExcludeCharacters) : [];
  const pool = [...types.flat(), ...space];
  if (pool.length === 0) throw invalidParameter('All characters have been excluded from selection.');
  if (required.length > length) throw invalidParameter('Password length is too short based on the required types.');

  const below = indexBelow(context.randomBytes);
  const characters = required.map((type) => type[below(type.length)] ?? '');
  while (characters.length < length) characters.push(pool[below(pool.length)] ?? '');
  return { state, output: { RandomPassword: shuffled(characters, below).join('') } };
}

/** The types that the request leaves in, without the characters that it excludes. A space is not a type. */
function includedTypes(input: Request): readonly (readonly string[])[] {
  const types: [characters: string, isExcluded: boolean | undefined][] = [
    ['ABCDEFGHIJKLMNOPQRSTUVWXYZ', input.ExcludeUppercase],
    ['abcdefghijklmnopqrstuvwxyz', input.ExcludeLowercase],
    ['0123456789', input.ExcludeNumbers],
    ['!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~', input.ExcludePunctuation],
  ];
  return types
    .filter(([, isExcluded]) => isExcluded !== true)
    .map(([characters]) => without(characters, input.ExcludeCharacters));
}

function without(characters: string, excluded = ''): readonly string[] {
  return Array.from(characters).filter((character) => !excluded.includes(character));
}

/** Uniform below a bound of up to 256: a byte above its last whole multiple would favour low numbers. */
function indexBelow(randomBytes: CallContext['randomBytes']): (bound: number) => number {
  return (bound) => {
    const limit = 256 - (256 % bound);
    for (;;) {
      const [byte = 0] = randomBytes(1);
      if (byte < limit) return byte % bound;
    }
  };
}

/** Fisher and Yates. For long passwords the bound exceeds 255, so the place is drawn in two parts. */
function shuffled(characters: readonly string[], below: (bound: number) => number): readonly string[] {
  const result = [...characters];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const place = placeUpTo(last, below);
    const [one = '', other = ''] = [result[last], result[place]];
    result[last] = other;
    result[place] = one;
  }
  return result;
}

function placeUpTo(last: number, below: (bound: number) => number): number {
  for (;;) {
    const place = below(256) * 256 + below(256);
    const limit = 65_536 - (65_536 % (last + 1));
    if (place < limit) return place % (last + 1);
  }
}
