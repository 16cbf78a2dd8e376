import { randomBytes } from 'node:crypto';
import { KeyRing } from '../dist/library/esm/index.js';
import { awsEncryptionSdk, bareNode, cloak, keyObjectOf, noble, webCrypto } from './contestants.mjs';
import { processorTime, ratios, wallTime } from './ratios.mjs';

/*
 * How fast an application's ring is beside what people use, as ratios of one run: 2.0 is twice as fast. Times are those
 * of the processor. `npm run bench -- --only ring` builds first. Ends with 1 if a target is missed.
 */

const NAMES = {
  bare: 'node:crypto, KeyObject',
  bareBytes: 'node:crypto, key as bytes',
  webCrypto: 'WebCrypto',
  cloak: '@47ng/cloak',
  noble: '@noble/ciphers',
  awsEncryptionSdk: 'AWS Encryption SDK, cached',
};
const isJson = process.argv.includes('--json');
const major = Number(process.versions.node.split('.')[0]);
const lines = [];

const keys = [1, 2, 3].map(() => randomBytes(32));
const current = keys[2];
const ring = await openRing();
const contestants = {
  bare: bareNode(keyObjectOf(current)),
  bareBytes: bareNode(current),
  webCrypto: await webCrypto(current),
  cloak: cloak(current),
  noble: noble(current),
  awsEncryptionSdk: awsEncryptionSdk(current),
};

const about = { node: process.version, arch: process.arch };
if (!isJson) {
  console.log(`Node ${about.node}, ${about.arch}. Each line: our ring, and how many times as fast as the other it is.`);
}
for (const size of [20, 200, 2000]) await encrypting(size);
for (const size of [20, 200, 2000]) await decrypting(size);
await olderData();
ring.close();
if (isJson) console.log(JSON.stringify({ ...about, lines }, undefined, 2));
process.exitCode = lines.every(({ isMet }) => isMet) ? 0 : 1;

async function encrypting(size) {
  const text = 'x'.repeat(size);
  const { bare, ...others } = contestants;
  const ours = () => ring.encryptField(text);
  const inContext = () => ring.encryptField(text, 'patients:7:notes');
  const targets = size > 200 ? {} : { bare: 1.4, awsEncryptionSdk: 80, ...(major === 24 ? { bareBytes: 3 } : {}) };
  await line(`encrypt ${size} B`, NAMES.bare, ours, () => bare.encrypt(text), targets.bare);
  await line(`encrypt ${size} B in a context`, `${NAMES.bare}, without`, inContext, () => bare.encrypt(text));
  for (const [name, { encrypt }] of Object.entries(others)) {
    await line(`encrypt ${size} B`, NAMES[name], ours, () => encrypt(text), targets[name]);
  }
}

async function decrypting(size) {
  const text = 'x'.repeat(size);
  const row = ring.encryptField(text);
  const sync = () => ring.decryptFieldSync(row);
  const promise = () => ring.decryptField(row);
  const { bare, ...others } = contestants;
  const bareRow = bare.encrypt(text);
  await line(`decrypt ${size} B, at once`, NAMES.bare, sync, () => bare.decrypt(bareRow), 0.9);
  await line(`decrypt ${size} B, promise`, NAMES.bare, promise, () => bare.decrypt(bareRow), 0.9);
  for (const [name, { encrypt, decrypt }] of Object.entries(others)) {
    const theirs = await encrypt(text);
    await line(`decrypt ${size} B, at once`, NAMES[name], sync, () => decrypt(theirs));
  }
}

/** A ratio of 0.33 is three times the time. */
async function olderData() {
  const text = 'x'.repeat(20);
  const numbered = ring.encryptField(text);
  const older = keys.map((key) => Array.from({ length: 256 }, () => bareNode(key).encrypt(text)));
  const mixed = older.flat().sort(() => Math.random() - 0.5);
  for (const row of mixed) await ring.decryptField(row);
  const read = (rows) => {
    let next = 0;
    return () => ring.decryptFieldSync(rows[next++ % rows.length]);
  };
  const numberedRow = () => ring.decryptFieldSync(numbered);
  for (const [index, rows] of older.entries()) {
    await line(`older row, all under key ${index + 1} of 3`, 'a numbered row', read(rows), numberedRow, 1 / 3);
  }
  await line('older row, the three keys mixed', 'a numbered row', read(mixed), numberedRow, 1 / 3);
}

async function line(what, other, ours, theirs, target) {
  // WebCrypto works in threads: there only the wall shows how long one waits.
  const time = other === NAMES.webCrypto ? wallTime : processorTime;
  const measured = await ratios(ours, theirs, time);
  const isMet = target === undefined || measured.ratio >= target;
  lines.push({ what, other, ...measured, target, isMet });
  if (isJson) return;
  const { ratio, oursNanoseconds, theirsNanoseconds } = measured;
  const times = `${oursNanoseconds.toFixed(0)} ns against ${theirsNanoseconds.toFixed(0)} ns`;
  const aim = target === undefined ? '' : `  ${isMet ? 'met' : 'MISSED'}: at least ${target.toFixed(2)}`;
  console.log(`${what.padEnd(34)} ${other.padEnd(28)} ${ratio.toFixed(2).padStart(8)}  ${times}${aim}`);
}

/** A ring of three keys with the last one current, whose Secrets Manager is this object. */
function openRing() {
  const source = {
    describe: async () => ({
      VersionIdsToStages: { a: ['key-v1'], b: ['key-v2', 'AWSPREVIOUS'], c: ['key-v3', 'AWSCURRENT'] },
    }),
    read: async (versionId) => ({ SecretString: keys['abc'.indexOf(versionId)].toString('base64') }),
    close: () => undefined,
  };
  const settings = { keySource: 'aws', environment: 'production', region: 'us-east-1', secretId: 'bench' };
  return KeyRing.open(settings, { source, logger: () => undefined });
}
