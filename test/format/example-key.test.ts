import { EXAMPLE_KEY_REFUSED, isExampleKey, isRefusedExample } from '../../src/format/example-key.ts';
import { KeyMaterial } from '../../src/format/key-material.ts';

const GUIDE_KEY = 'rT8x9kp3QwE7yLmN2oA5vK1uG4hJ6fD9cB8sZ0tX3iY=';

test('the key that the guide prints is known as the example, and no other key is', () => {
  expect(isExampleKey(KeyMaterial.fromBytes(Buffer.from(GUIDE_KEY, 'base64')))).toBe(true);
  expect(isExampleKey(KeyMaterial.fromBytes(Buffer.alloc(32, 1)))).toBe(false);
});

test('an error about it says where it works, and how to make another', () => {
  expect(EXAMPLE_KEY_REFUSED).toContain('only where ENVIRONMENT is local or development');
  expect(EXAMPLE_KEY_REFUSED).toContain('openssl rand -base64 32');
});

test('it encrypts only where ENVIRONMENT is local or development', () => {
  const example = KeyMaterial.fromBytes(Buffer.from(GUIDE_KEY, 'base64'));
  const refused = ['local', 'development', 'production', '', undefined].filter((one) => isRefusedExample(example, one));
  expect(refused).toEqual(['production', '', undefined]);
  expect(isRefusedExample(KeyMaterial.fromBytes(Buffer.alloc(32, 1)), 'production')).toBe(false);
});
