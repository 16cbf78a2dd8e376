// Environment variables of an application with several keys, without AWS or without a fallback, and more variables that
// are refused. `says`: words of the message, which tell what is wrong.
import { bytesOf, KEYS } from './forms.mjs';

const key = (name) => bytesOf(`key environment ${name}`, 32);
const PLAIN = key('0');
const SECOND = key('2');
const TENTH = key('10');
const text = (bytes) => bytes.toString('base64');

const NAME = 'pazpaz/encryption-key-v1';
const AWS = { AWS_REGION: 'us-east-1', SECRETS_MANAGER_KEY_NAME: NAME };
const STAGING = { ENVIRONMENT: 'staging', ...AWS };
const ALONE = { ENVIRONMENT: 'production', ENCRYPTION_KEY_SOURCE: 'environment' };

/** `keys`: the keys of the environment by number. `writes`: the number that a ring writes which has had no key from AWS. */
const made = (id, env, { keys = {}, writes = null, region = null, secretId = null } = {}) => ({
  id,
  env,
  settings: {
    environment: env.ENVIRONMENT,
    keySource: secretId === null ? 'environment' : 'aws',
    region,
    secretId,
    keys: Object.fromEntries(Object.entries(keys).map(([number, bytes]) => [number, bytes.toString('hex')])),
    writes,
  },
});
const inAws = (id, env, more = {}) => made(id, env, { region: 'us-east-1', secretId: NAME, ...more });
const refused = (id, variable, says, env) => ({ id, env, error: 'INVALID_SETTINGS', variable, says });

const ofKeys = {
  ENCRYPTION_MASTER_KEY: text(PLAIN),
  ENCRYPTION_MASTER_KEY_V2: text(SECOND),
  ENCRYPTION_MASTER_KEY_V10: text(TENTH),
};
const all = { 0: PLAIN, 2: SECOND, 10: TENTH };

export const environments = [
  made(
    'development is as local',
    { ENVIRONMENT: 'development', ENCRYPTION_MASTER_KEY: text(PLAIN) },
    { keys: { 0: PLAIN }, writes: 0 },
  ),
  made(
    'development, the example key',
    { ENVIRONMENT: 'development', ENCRYPTION_MASTER_KEY: text(KEYS.guide) },
    { keys: { 0: KEYS.guide }, writes: 0 },
  ),
  inAws('development in AWS', { ENVIRONMENT: 'development', ...AWS }),
  made(
    'local, several keys: the highest number writes',
    { ENVIRONMENT: 'local', ...ofKeys },
    { keys: all, writes: 10 },
  ),
  made('production without AWS', { ...ALONE, ...ofKeys }, { keys: all, writes: 10 }),
  made(
    'production without AWS, one key',
    { ...ALONE, ENCRYPTION_MASTER_KEY: text(PLAIN) },
    { keys: { 0: PLAIN }, writes: 0 },
  ),
  made(
    'production without AWS, numbered keys alone',
    { ...ALONE, ENCRYPTION_MASTER_KEY_V2: text(SECOND) },
    { keys: { 2: SECOND }, writes: 2 },
  ),
  made(
    'production without AWS: a region is no reason to call AWS',
    { ...ALONE, AWS_REGION: 'us-east-1', ENCRYPTION_MASTER_KEY: text(PLAIN) },
    { keys: { 0: PLAIN }, writes: 0 },
  ),
  made(
    'an empty numbered key is none',
    { ...ALONE, ENCRYPTION_MASTER_KEY: text(PLAIN), ENCRYPTION_MASTER_KEY_V2: '' },
    { keys: { 0: PLAIN }, writes: 0 },
  ),
  inAws('the source that is the default', { ...STAGING, ENCRYPTION_KEY_SOURCE: 'aws' }),
  inAws('in AWS, the key without a number is the fallback', { ...STAGING, ...ofKeys }, { keys: all, writes: 0 }),
  inAws(
    'in AWS, numbered keys only decrypt',
    { ...STAGING, ENCRYPTION_MASTER_KEY_V2: text(SECOND) },
    { keys: { 2: SECOND } },
  ),
  inAws(
    'in AWS, without a fallback',
    { ...STAGING, ENVIRONMENT: 'production', ...ofKeys, ENCRYPTION_FALLBACK: 'off' },
    { keys: all },
  ),
  inAws(
    'the fallback that is the default',
    { ...STAGING, ENCRYPTION_MASTER_KEY: text(PLAIN), ENCRYPTION_FALLBACK: 'on' },
    { keys: { 0: PLAIN }, writes: 0 },
  ),
  refused('production without AWS and without a key', 'ENCRYPTION_MASTER_KEY', 'must be set', ALONE),
  refused('a key alone does not choose the environment', 'SECRETS_MANAGER_KEY_NAME', 'must be set', {
    ENVIRONMENT: 'production',
    AWS_REGION: 'us-east-1',
    ENCRYPTION_MASTER_KEY: text(PLAIN),
  }),
  refused('both sources', 'ENCRYPTION_KEY_SOURCE', 'SECRETS_MANAGER_KEY_NAME', {
    ...ALONE,
    ...AWS,
    ENCRYPTION_MASTER_KEY: text(PLAIN),
  }),
  refused('a source in AWS without a name', 'SECRETS_MANAGER_KEY_NAME', 'must be set', {
    ENVIRONMENT: 'local',
    ENCRYPTION_KEY_SOURCE: 'aws',
    AWS_REGION: 'us-east-1',
    ENCRYPTION_MASTER_KEY: text(PLAIN),
  }),
  refused('an unknown source', 'ENCRYPTION_KEY_SOURCE', '"env"', { ...STAGING, ENCRYPTION_KEY_SOURCE: 'env' }),
  refused('a source in quotes', 'ENCRYPTION_KEY_SOURCE', 'quotation marks', {
    ...STAGING,
    ENCRYPTION_KEY_SOURCE: '"aws"',
  }),
  refused('an unknown fallback', 'ENCRYPTION_FALLBACK', '"false"', { ...STAGING, ENCRYPTION_FALLBACK: 'false' }),
  refused('a fallback with a carriage return', 'ENCRYPTION_FALLBACK', 'carriage return', {
    ...STAGING,
    ENCRYPTION_FALLBACK: 'off\r',
  }),
  ...['0', '02', '1000000000', 'x'].map((number) =>
    refused(`a key with the number ${number}`, `ENCRYPTION_MASTER_KEY_V${number}`, 'number', {
      ENVIRONMENT: 'local',
      ENCRYPTION_MASTER_KEY: text(PLAIN),
      [`ENCRYPTION_MASTER_KEY_V${number}`]: text(SECOND),
    }),
  ),
  refused('a numbered key in quotes', 'ENCRYPTION_MASTER_KEY_V2', 'quotation marks', {
    ...ALONE,
    ENCRYPTION_MASTER_KEY_V2: `"${text(SECOND)}"`,
  }),
  refused('a numbered key that is the example key', 'ENCRYPTION_MASTER_KEY_V2', 'example key', {
    ...ALONE,
    ENCRYPTION_MASTER_KEY_V2: text(KEYS.guide),
  }),
  ...['us_east_1', 'us-east', 'useast1', 'us-east-1a', 'global', 'https://secretsmanager.us-east-1.amazonaws.com'].map(
    (region) => refused(`the region ${region}`, 'AWS_REGION', 'us-east-1', { ...STAGING, AWS_REGION: region }),
  ),
  ...[
    ['a space inside', 'pazpaz/encryption key', 'white space'],
    ['a colon in a name', 'pazpaz:encryption-key', 'colon'],
    ['an unfinished ARN', 'arn:aws:secretsmanager:us-east-1:123456789012:secret', 'ARN'],
    ['the ARN of another service', 'arn:aws:kms:us-east-1:123456789012:key/1234', 'ARN'],
    ['an ARN in another region', `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${NAME}-AbCdEf`, 'eu-west-1'],
    ['a name of 513 characters', 'a'.repeat(513), '512'],
  ].map(([id, name, says]) =>
    refused(id, 'SECRETS_MANAGER_KEY_NAME', says, { ...STAGING, SECRETS_MANAGER_KEY_NAME: name }),
  ),
];
