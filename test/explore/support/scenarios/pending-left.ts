import { KEPT, kind, NUMBERED, THREE, UNNUMBERED, type Own } from './scenario-kinds.ts';
import type { Scenario } from './scenario.ts';

type Ring = Scenario['ring'];

/** A ring on which each label is taken: 17 keys, or fewer beside labels that are not the ring's. */
const FULL: Ring = Object.fromEntries(
  Array.from('ABCDEFGHIJKLMNOPQ', (letter, index) => {
    const inUse = { P: ' AWSPREVIOUS', Q: ' AWSCURRENT' }[letter] ?? '';
    return [letter, `key-v${index + 1}${inUse}`];
  }),
);
/** The keys in use came last, by hand, and have no number. */
const FULL_UNNUMBERED: Ring = { ...FULL, P: 'key-v16', Q: 'key-v17', R: 'AWSPREVIOUS', S: 'AWSCURRENT' };

function pendingOn(ring: Ring, letter: string): Ring {
  return { ...ring, [letter]: `${ring[letter] ?? ''} AWSPENDING`.trim() };
}

/** AWSPENDING on each kind of version: in use, left, older, of a rotation that no one runs any more; and on none. */
function everyPlace(name: string, ring: Ring): readonly Own[] {
  const holder = (label: string): string =>
    Object.keys(ring).find((letter) => ring[letter]?.includes(label) === true) ?? '';
  const places = { current: holder('AWSCURRENT'), previous: holder('AWSPREVIOUS'), older: 'A', unfinished: 'Z' };
  return [
    { name: `${name}, AWSPENDING on none`, ring },
    { name: `${name}, AWSPENDING on one without a value`, ring, placeholder: true },
    ...Object.entries(places).map(([place, letter]) => ({
      name: `${name}, AWSPENDING on the ${place} version`,
      ring: pendingOn(ring, letter),
    })),
  ];
}

const RINGS: readonly Own[] = [
  ...everyPlace('two keys', NUMBERED),
  ...everyPlace('two keys without a number', UNNUMBERED),
  ...everyPlace('three keys', THREE),
  ...everyPlace('a full ring', FULL),
  ...everyPlace('a full ring whose keys in use have no number', FULL_UNNUMBERED),
];

const LEFT = { attempts: 0, rotations: 0, faults: 1, retries: 0, behaviour: KEPT } as const;

/** Nothing happens but what `status` recommends; or a command is killed before. */
export const PENDING_LEFT: readonly Scenario[] = [
  ...kind('', LEFT, RINGS),
  ...kind(
    ', rotate --clean-up killed and left',
    LEFT,
    RINGS.map((own) => ({ ...own, operators: [['rotate --clean-up' as const]] })),
  ),
  ...kind(
    ', move killed and left',
    LEFT,
    RINGS.map((own) => ({ ...own, operators: [['move --kms-key-id K' as const]] })),
  ),
];

/** `maintain` on each of them, for `npm run explore`: killed, run twice at once, and told of the past. */
export const DEEP_PENDING_LEFT: readonly Scenario[] = [
  ...kind(
    ', maintain killed and left',
    LEFT,
    RINGS.map((own) => ({ ...own, operators: [['maintain' as const]] })),
  ),
  ...kind(
    ', maintain killed and run again',
    { ...LEFT, faults: 2, repeats: 2 },
    RINGS.map((own) => ({ ...own, operators: [['maintain' as const]] })),
  ),
  ...kind(
    ', maintain told of the past',
    { ...LEFT, faults: 0, stale: { answers: 1, writesOld: 3 } },
    RINGS.map((own) => ({ ...own, operators: [['maintain' as const]] })),
  ),
  ...kind(
    ', maintain beside rotate --clean-up',
    { ...LEFT, faults: 0 },
    RINGS.map((own) => ({ ...own, operators: [['maintain' as const], ['rotate --clean-up' as const]] })),
  ),
];
