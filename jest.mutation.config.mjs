import config from './jest.config.mjs';

/** The tests that look at the steps and the key ring from close by, without those that build or explore: those are slow. */
export default {
  ...config,
  testMatch: ['**/test/{steps,rotation,keyring,ring}/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/', 'secrecy', 'property', 'many-rotations', 'lost-calls'],
};
