// Rings, each with rows and what reading them through the ring must give.
import { base64, box, bytesOf, flipped, KEYS, row } from './forms.mjs';

const RING_KEYS = {
  ...KEYS,
  one: bytesOf('key one', 32),
  two: bytesOf('key two', 32),
  three: bytesOf('key three', 32),
};
const CONTEXT = 'patients:7:note';
const TEXT = 'Patient has diabetes';

const version = (id, key, ...stages) => ({
  versionId: `00000000-0000-4000-8000-00000000000${id}`,
  stages,
  secretString: base64(RING_KEYS[key]),
});
const denied = (id, ...stages) => ({ ...version(id, 'one', ...stages), secretString: undefined, denied: true });
const short = (id, ...stages) => ({ ...version(id, 'one', ...stages), secretString: base64(bytesOf('short', 24)) });

let count = 0;
const nonce = (start = []) => Buffer.concat([Buffer.from(start), bytesOf(`ring ${(count += 1)}`, 12)]).subarray(0, 12);
const numbered = (number, key, context = CONTEXT) =>
  row(TEXT, { number, key: RING_KEYS[key], context, nonce: nonce() });
const old = (key, start) => box(Buffer.from(TEXT), { key: RING_KEYS[key], nonce: nonce(start) });
const json = (bytes) =>
  Buffer.from(JSON.stringify({ version: 'v1', ciphertext: base64(bytes), algorithm: 'AES-256-GCM' }));
const reads = (says, bytes, rest = {}) => ({ says, context: CONTEXT, row: bytes.toString('hex'), text: TEXT, ...rest });
const fails = (says, bytes, error, rest = {}) => ({
  says,
  context: CONTEXT,
  row: bytes.toString('hex'),
  error,
  ...rest,
});

const TAMPERED = 'TAMPERED_OR_WRONG_CONTEXT';
const RETIRED = 'KEY_RETIRED';
const NEVER = 'KEY_NEVER_ISSUED';
const UNAVAILABLE = 'KEY_UNAVAILABLE';

const three = [
  version(1, 'one', 'key-v1'),
  version(2, 'two', 'key-v2', 'AWSPREVIOUS'),
  version(3, 'three', 'key-v3', 'AWSCURRENT'),
];

export const rings = [
  {
    id: 'three keys',
    versions: three,
    writes: { number: 3, key: 'three' },
    rows: [
      reads('of the current key', numbered(3, 'three')),
      reads('of an older key', numbered(1, 'one')),
      reads('number 0 under the current key', numbered(0, 'three')),
      reads('number 0 under an older key', numbered(0, 'one')),
      reads('older data under the current key', old('three')),
      reads('older data under an older key', old('one')),
      reads('older data under an older key, after v1:', Buffer.concat([Buffer.from('v1:'), old('one')])),
      reads('older data under an older key, in base64 after v1:', Buffer.from(`v1:${base64(old('two'))}`)),
      reads('older data under an older key, in JSON', json(old('one'))),
      reads('older data under an older key that looks like the current number', old('one', [3])),
      reads('older data under an older key that looks like a number above the ring', old('one', [9])),
      reads('a number whose label was moved to another version', numbered(3, 'one')),
      reads('a number that lost its label, under a key of the ring', numbered(9, 'two')),
      fails('one bit changed', flipped(numbered(3, 'three'), 20), TAMPERED),
      fails('one bit changed in a row of an older key', flipped(numbered(1, 'one'), 20), TAMPERED),
      fails('another context', numbered(3, 'three', 'patients:8:note'), TAMPERED),
      fails('number 0 in another context', numbered(0, 'three', 'patients:8:note'), TAMPERED),
      fails('number 0 under a key that is nowhere', numbered(0, 'guide'), TAMPERED),
      fails('no number, and nothing opens it', old('guide', [0x80, 0x00]), TAMPERED),
      fails('the next number', numbered(4, 'guide'), UNAVAILABLE, { later: NEVER }),
      fails('a number further above the highest', numbered(5, 'guide'), NEVER),
      fails('too short', Buffer.alloc(27), 'INVALID_CIPHERTEXT'),
      fails('half of a surrogate pair in the context', numbered(3, 'three'), 'INVALID_TEXT', { context: '\uD83D' }),
    ],
  },
  {
    id: 'older data refused',
    versions: three,
    legacy: false,
    writes: { number: 3, key: 'three' },
    rows: [
      reads('of an older key', numbered(1, 'one')),
      reads('number 0 under an older key', numbered(0, 'one')),
      fails('older data that looks like no number', old('three', [0x80, 0x00]), TAMPERED),
      fails('older data that looks like the current number', old('three', [3]), TAMPERED),
      fails('older data that looks like a number above the ring', old('three', [9]), NEVER),
    ],
  },
  {
    id: 'key 1 retired',
    versions: three.slice(1),
    writes: { number: 3, key: 'three' },
    rows: [
      fails('of the retired key', numbered(1, 'one'), RETIRED),
      fails('older data under the retired key that looks like its number', old('one', [1]), RETIRED),
      fails('older data under the retired key that looks like number 0', old('one', [0]), TAMPERED),
      fails('older data under the retired key that looks like a key of the ring', old('one', [2]), TAMPERED),
    ],
  },
  {
    id: 'never rotated',
    versions: [version(1, 'one', 'AWSCURRENT')],
    writes: { number: 0, key: 'one' },
    rows: [
      reads('number 0', numbered(0, 'one')),
      reads('older data', old('one')),
      fails('number 1', numbered(1, 'two'), UNAVAILABLE, { later: NEVER }),
      fails('any other number', numbered(2, 'two'), NEVER),
    ],
  },
  {
    id: 'AWSPREVIOUS and AWSCURRENT without numbers beside a numbered key',
    versions: [version(1, 'one', 'key-v4'), version(2, 'two', 'AWSPREVIOUS'), version(3, 'three', 'AWSCURRENT')],
    writes: { number: 0, key: 'three' },
    rows: [
      reads('of the numbered key', numbered(4, 'one')),
      reads('number 0 under the previous key', numbered(0, 'two')),
      fails('a number below the highest', numbered(3, 'guide'), RETIRED),
    ],
  },
  {
    id: 'several numbers on one version',
    versions: [version(1, 'one', 'key-v5', 'key-v2', 'AWSCURRENT')],
    writes: { number: 2, key: 'one' },
    rows: [reads('of the lowest', numbered(2, 'one')), reads('of the other', numbered(5, 'one'))],
  },
  {
    id: 'foreign labels',
    versions: [version(1, 'one', 'key-v0', 'key-v01', 'key-incoming', 'AWSCURRENT')],
    writes: { number: 0, key: 'one' },
    rows: [fails('a number', numbered(2, 'two'), NEVER)],
  },
  {
    id: 'a pending key',
    versions: [version(1, 'one', 'key-v1', 'AWSCURRENT'), version(2, 'two', 'AWSPENDING')],
    writes: { number: 1, key: 'one' },
    rows: [fails('number 0 under the pending key', numbered(0, 'two'), TAMPERED)],
  },
  {
    id: 'key 1 cannot be read now',
    versions: [denied(1, 'key-v1'), version(2, 'two', 'key-v2', 'AWSCURRENT')],
    writes: { number: 2, key: 'two' },
    rows: [
      reads('of the other key', numbered(2, 'two')),
      fails('of that key', numbered(1, 'one'), UNAVAILABLE),
      fails('older data under that key', old('one', [0]), UNAVAILABLE),
      fails('one bit changed: it may be older data under that key', flipped(numbered(2, 'two'), 20), UNAVAILABLE),
      fails('a number above the highest: likewise', numbered(7, 'guide'), UNAVAILABLE),
    ],
  },
  {
    id: 'the value of key 1 is no key',
    versions: [short(1, 'key-v1'), version(2, 'two', 'key-v2', 'AWSCURRENT')],
    writes: { number: 2, key: 'two' },
    rows: [
      reads('of the other key', numbered(2, 'two')),
      fails('of that key', numbered(1, 'one'), 'INVALID_KEY_VALUE'),
      fails('one bit changed', flipped(numbered(2, 'two'), 20), TAMPERED),
      fails('a number above the highest', numbered(7, 'guide'), NEVER),
    ],
  },
  {
    id: 'key 1 cannot be read now, and older data is refused',
    legacy: false,
    versions: [denied(1, 'key-v1'), version(2, 'two', 'key-v2', 'AWSCURRENT')],
    writes: { number: 2, key: 'two' },
    rows: [
      fails('of that key', numbered(1, 'one'), UNAVAILABLE),
      fails('one bit changed: no other key could open it', flipped(numbered(2, 'two'), 20), TAMPERED),
      fails('number 0 under that key', numbered(0, 'one'), UNAVAILABLE),
      fails('a number that is not on the ring: that key could open it', numbered(7, 'guide'), UNAVAILABLE),
    ],
  },
  {
    id: 'the value of key 1 is no key, and key 2 cannot be read now',
    versions: [short(1, 'key-v1'), denied(2, 'key-v2'), version(3, 'three', 'key-v3', 'AWSCURRENT')],
    writes: { number: 3, key: 'three' },
    rows: [
      fails('of key 1', numbered(1, 'one'), 'INVALID_KEY_VALUE'),
      fails('of key 2', numbered(2, 'two'), UNAVAILABLE),
      fails('one bit changed', flipped(numbered(3, 'three'), 20), UNAVAILABLE),
    ],
  },
  {
    id: 'a replica',
    primaryRegion: 'eu-west-1',
    versions: three.slice(1),
    writes: { number: 3, key: 'three' },
    rows: [
      fails('a number above the highest: it may not have come yet', numbered(4, 'guide'), UNAVAILABLE),
      fails('of a retired key', numbered(1, 'one'), RETIRED),
    ],
  },
  {
    id: 'the key of the environment beside a ring',
    environmentKey: 'guide',
    versions: three,
    writes: { number: 3, key: 'three' },
    rows: [reads('number 0 under it', numbered(0, 'guide')), reads('older data under it', old('guide'))],
  },
  {
    id: 'AWS silent from the start, with a key of the environment',
    aws: 'silent',
    environmentKey: 'guide',
    versions: [],
    writes: { number: 0, key: 'guide' },
    rows: [
      reads('number 0 under it', numbered(0, 'guide')),
      fails('number 0 under another key', numbered(0, 'one'), UNAVAILABLE),
      fails('any number', numbered(1, 'one'), UNAVAILABLE),
    ],
  },
  {
    id: 'AWS silent since the ring was opened',
    aws: 'silent after opening',
    versions: three,
    writes: { number: 3, key: 'three' },
    rows: [
      reads('of the key at hand', numbered(3, 'three')),
      fails('of another key', numbered(1, 'one'), UNAVAILABLE),
      fails('one bit changed: it may be older data under another key', flipped(numbered(3, 'three'), 20), UNAVAILABLE),
      fails('a number above the highest', numbered(4, 'guide'), UNAVAILABLE),
    ],
  },
  {
    id: 'AWS silent since the ring was opened, with every key at hand',
    aws: 'silent after opening',
    versions: [version(1, 'one', 'key-v1', 'AWSCURRENT')],
    writes: { number: 1, key: 'one' },
    rows: [
      fails('one bit changed: no other key of the ring is left', flipped(numbered(1, 'one'), 20), TAMPERED),
      fails('a number above the highest: it may be on the ring by now', numbered(2, 'guide'), UNAVAILABLE),
    ],
  },
  {
    id: 'the key of the environment alone',
    aws: 'not asked',
    environmentKey: 'guide',
    versions: [],
    writes: { number: 0, key: 'guide' },
    rows: [
      reads('number 0', numbered(0, 'guide')),
      reads('older data', old('guide')),
      fails('another context', numbered(0, 'guide', 'patients:8:note'), TAMPERED),
      fails('a number', numbered(5, 'one'), NEVER),
    ],
  },
];

export const ringKeys = Object.fromEntries(Object.entries(RING_KEYS).map(([name, key]) => [name, key.toString('hex')]));
