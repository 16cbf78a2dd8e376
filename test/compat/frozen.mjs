// An application that is frozen between its requests, as AWS Lambda does it. Answers each line of its input.
import { createInterface } from 'node:readline';
import { KeyRing } from 'pazpaz-key-rotation';

const ring = await KeyRing.open(undefined, { timeToLive: 1000, logger: () => undefined });
await ring.warm();
const first = ring.encryptField('note');
console.log('open');
for await (const request of createInterface({ input: process.stdin })) {
  const texts = [await ring.decryptField(first), ring.decryptFieldSync(ring.encryptField(request))];
  console.log(...texts, ring.health().currentNumber);
}
ring.close();
