import type { Secret, SecretVersion } from '../../../src/local/service/state.ts';
import { restoredVersionId } from '../../../src/cli/move/derived-version.ts';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { keyText, versionIdOf } from './letters.ts';
import { momentOf, SECRET_ARN } from './program.ts';
import { LAMBDA_ARN } from './world.ts';

/** Where each label may be on a ring that people have labelled by hand. */
const PLACES = {
  /** How many labels are free, and what has taken the others. */
  room: ['much', 'one label', 'none: keys', 'none: foreign labels', 'none: foreign labels on keys'],
  current: ['newest', 'older', 'unnumbered', 'no key'],
  previous: ['newest', 'older', 'unnumbered', 'no key', 'none'],
  pending: ['none', 'current', 'previous', 'older', 'placeholder', 'unnumbered', 'no key', 'copy'],
  moving: ['none', 'current', 'previous', 'older', 'copy', 'unnumbered', 'restored', 'being restored'],
  incoming: ['none', 'current', 'older', 'unnumbered'],
  numbers: ['in order', 'one on no key', 'the last there is'],
  kms: ['one key', 'older keys under another'],
  record: ['none', 'of a key on the ring', 'restoring', 'of two keys', 'of another key'],
} as const;

type Places = typeof PLACES;

/** One place for each label. */
export type LabelState = { readonly [Label in keyof Places]: Places[Label][number] };

/** As a rotation leaves them. */
export const IN_ORDER: LabelState = {
  room: 'much',
  current: 'newest',
  previous: 'older',
  pending: 'none',
  moving: 'none',
  incoming: 'none',
  numbers: 'in order',
  kms: 'one key',
  record: 'none',
};

const NAMES = Object.keys(PLACES) as readonly (keyof Places)[];

export function nameOfLabels(state: LabelState): string {
  return NAMES.map((name) => `${name}: ${state[name]}`).join(', ');
}

/** States of labels in one fixed order; every one without a step, else every so many-th. */
export function* labelStates(every = 1): Generator<LabelState> {
  const total = NAMES.reduce((product, name) => product * PLACES[name].length, 1);
  for (let index = 0; index < total; index += every) {
    let rest = index;
    const state = Object.fromEntries(
      NAMES.map((name) => {
        const places = PLACES[name];
        const place = places[rest % places.length];
        rest = Math.floor(rest / places.length);
        return [name, place];
      }),
    ) as unknown as LabelState;
    if (isPossible(state)) yield state;
  }
}

/** A version has a label once, and a secret at most twenty of them. */
function isPossible(state: LabelState): boolean {
  const { current, previous, pending } = state;
  if (current === previous && (current === 'newest' || current === 'older')) return false;
  if (previous === 'none' && (pending === 'previous' || state.moving === 'previous')) return false;
  // No place is left, and each of three keys needs one before any other can give its own back (docs/adr/0035).
  const { room, incoming, moving, numbers } = state;
  const areAllUnnumbered = [current, previous, incoming].every((place) => place === 'unnumbered');
  if (room === 'none: keys' && areAllUnnumbered && ['none', 'being restored'].includes(moving)) return false;
  const versions = Object.values(secretOfLabels(state).versions);
  const labels = versions.reduce((sum, { stages }) => sum + stages.length, 0);
  // Of 20 labels, 17 name keys, and one the last number there is: no key can get another number before it goes.
  if (labels === 20 && room === 'none: keys' && numbers === 'the last there is' && pending === 'none') return false;
  return labels <= 20;
}

const SLOTS = 17;

/** How many keys have a number. */
const KEYS: Readonly<Record<LabelState['room'], number>> = {
  much: 5,
  'one label': SLOTS - 1,
  'none: keys': SLOTS,
  'none: foreign labels': 6,
  'none: foreign labels on keys': 6,
};

/** The secret of a state. Each version has a key of its own, but for copies. */
export function secretOfLabels(state: LabelState): Secret {
  const versions = new Map<string, { stages: string[]; text?: string; kmsKeyId?: string }>();
  const add = (letter: string, label: string, text: string | undefined): string => {
    versions.set(letter, { stages: [label], ...(text === undefined ? {} : { text }) });
    return letter;
  };
  const give = (letter: string, label: string): string => {
    versions.get(letter)?.stages.push(label);
    return letter;
  };

  const temporary = [state.moving !== 'none', state.incoming !== 'none', state.numbers !== 'in order'].filter(
    Boolean,
  ).length;
  const taken = { ...KEYS, 'one label': KEYS['one label'] - temporary };
  const keys = taken[state.room];
  for (let number = 1; number <= keys; number += 1) add(letterOf(number), `key-v${number}`, keyText(letterOf(number)));
  const foreign = state.room.startsWith('none: foreign') ? SLOTS - keys - temporary : 0;
  for (let index = 0; index < foreign; index += 1) {
    if (state.room === 'none: foreign labels on keys') give(letterOf(1 + (index % keys)), `foreign-${index}`);
    else if (index === 0) add('z', 'foreign-0', keyText('z'));
    else give('z', `foreign-${index}`);
  }

  const [older, newest] = [letterOf(2), letterOf(keys)];
  const inUse = (place: LabelState['previous'], label: string, letter: string): string => {
    if (place === 'newest') return give(newest, label);
    if (place === 'older') return give(letterOf(3), label);
    return add(letter, label, place === 'no key' ? `no key ${letter}` : keyText(letter));
  };
  const previous = state.previous === 'none' ? '' : inUse(state.previous, 'AWSPREVIOUS', 'x');
  const current = inUse(state.current, 'AWSCURRENT', 'y');
  const at: Readonly<Record<string, (label: string, letter: string) => string>> = {
    current: (label) => give(current, label),
    previous: (label) => give(previous, label),
    older: (label) => give(older, label),
    placeholder: (label, letter) => add(letter, label, undefined),
    unnumbered: (label, letter) => add(letter, label, keyText(letter)),
    'no key': (label, letter) => add(letter, label, `no key ${letter}`),
    copy: (label, letter) => add(letter, label, keyText(older)),
  };
  at[state.pending]?.('AWSPENDING', 'p');
  at[state.moving]?.('key-moving', 'm');
  if (state.moving === 'restored') give(letterOf(4), 'key-restoring');
  if (state.moving === 'being restored') {
    // Number 4 was lost, and restore-ring has put its key again.
    const [, text] = [versions.delete(letterOf(4)), keyText(letterOf(4))];
    add(RESTORED, 'key-restoring', text);
  }
  at[state.incoming]?.('key-incoming', 'i');
  if (state.numbers === 'one on no key') add('n', `key-v${keys + 1}`, 'no key n');
  if (state.numbers === 'the last there is') add('l', 'key-v999999999', keyText('l'));
  if (state.kms !== 'one key')
    for (const letter of [letterOf(1), letterOf(2)]) Object.assign(versions.get(letter) ?? {}, { kmsKeyId: 'J' });

  if (state.record === 'of another key') versions.set('r', { stages: [], text: keyText('r') });
  const createdDate = momentOf(0);
  return {
    arn: SECRET_ARN,
    name: 'pazpaz/encryption-key-v1',
    kmsKeyId: 'K',
    tags: recordsOf(state.record),
    createdDate,
    lastChangedDate: createdDate,
    rotation: { enabled: true, lambdaArn: LAMBDA_ARN, rules: {} },
    versions: Object.fromEntries(
      [...versions].map(([letter, { stages, text, kmsKeyId = 'K' }]): [string, SecretVersion] => [
        letter.length === 1 ? versionIdOf(letter) : letter,
        { ...(text === undefined ? {} : { value: { kind: 'string', text } }), stages, createdDate, kmsKeyId },
      ]),
    ),
  };
}

/** Records of retirements that began, or of a retired key whose number someone has put on another one. */
function recordsOf(record: LabelState['record']): Secret['tags'] {
  const of = (number: number, letter: string, word = ''): Secret['tags'][number] => ({
    Key: `pazpaz:retired:key-v${number}`,
    Value: `${versionIdOf(letter)} 2025-12-01T00:00:00.000Z${word}`,
  });
  switch (record) {
    case 'none':
      return [];
    case 'of a key on the ring':
      return [of(1, letterOf(1))];
    case 'restoring':
      return [of(1, letterOf(1), ' restoring')];
    case 'of two keys':
      return [of(1, letterOf(1)), of(2, letterOf(2))];
    case 'of another key':
      return [of(1, 'r')];
  }
}

/** The version that `restore-ring` makes for key 4. */
const RESTORED = restoredVersionId(KeyMaterial.fromBytes(Buffer.from(keyText('D'), 'base64')), toKeyNumber(4));

function letterOf(number: number): string {
  return String.fromCharCode(64 + number);
}
