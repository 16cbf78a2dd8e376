import { randomNonce } from '../../src/format/nonce.ts';

test('a nonce has 12 bytes, is new each time, and does not change when the next one is made', () => {
  const nonces = Array.from({ length: 1000 }, () => randomNonce());
  expect(new Set(nonces.map((nonce) => nonce.length))).toEqual(new Set([12]));
  expect(new Set(nonces.map((nonce) => Buffer.from(nonce).toString('hex'))).size).toBe(1000);
});
