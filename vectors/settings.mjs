// Environment variables of an application, and the settings that they make or the variable that is refused.
import { bytesOf, KEYS } from './forms.mjs';

const KEY = bytesOf('key environment', 32).toString('base64');
const EXAMPLE = KEYS.guide.toString('base64');
const NAME = 'pazpaz/encryption-key-v1';
const GOOD = { ENVIRONMENT: 'staging', AWS_REGION: 'us-east-1', SECRETS_MANAGER_KEY_NAME: NAME };

const made = (id, env, region = 'us-east-1', secretId = NAME, key = undefined) => ({
  ...{ id, env },
  settings: { environment: env.ENVIRONMENT, region, secretId, key: key === undefined ? null : hex(key) },
});
const refused = (id, variable, env) => ({ id, env: { ...GOOD, ...env }, error: 'INVALID_SETTINGS', variable });
const hex = (key) => Buffer.from(key, 'base64').toString('hex');

const ARN = 'arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:pazpaz/encryption-key-v1-AbCdEf';

/** What tools leave around a value that was meant without it. */
const strange = (value) => [
  ['in double quotes', `"${value}"`],
  ['in single quotes', `'${value}'`],
  ['with a quote at the end', `${value}"`],
  ['with a carriage return', `${value}\r`],
  ['with a line feed', `${value}\n`],
  ['with a space in front', ` ${value}`],
  ['with a space at the end', `${value} `],
  ['with a tab at the end', `${value}\t`],
  ['with a no-break space', `${value}\u00A0`],
  ['with a byte order mark', `\uFEFF${value}`],
];

export const settings = [
  made('staging', GOOD),
  made(
    'production, with a key',
    { ...GOOD, ENVIRONMENT: 'production', ENCRYPTION_MASTER_KEY: KEY },
    undefined,
    NAME,
    KEY,
  ),
  made(
    'an ARN in another partition',
    { ...GOOD, AWS_REGION: 'us-gov-west-1', SECRETS_MANAGER_KEY_NAME: ARN },
    'us-gov-west-1',
    ARN,
  ),
  made('every character of a name', { ...GOOD, SECRETS_MANAGER_KEY_NAME: 'aZ09/_+=.@!-' }, undefined, 'aZ09/_+=.@!-'),
  made('local, its key alone', { ENVIRONMENT: 'local', ENCRYPTION_MASTER_KEY: KEY }, null, null, KEY),
  made('local, the example key', { ENVIRONMENT: 'local', ENCRYPTION_MASTER_KEY: EXAMPLE }, null, null, EXAMPLE),
  made('an empty key is none', { ...GOOD, ENCRYPTION_MASTER_KEY: '' }),
  made('white space around a key', { ...GOOD, ENCRYPTION_MASTER_KEY: ` ${KEY}\r\n` }, undefined, NAME, KEY),
  refused('staging, the example key', 'ENCRYPTION_MASTER_KEY', { ENCRYPTION_MASTER_KEY: EXAMPLE }),
  refused('production, the example key in hexadecimal', 'ENCRYPTION_MASTER_KEY', {
    ENVIRONMENT: 'production',
    ENCRYPTION_MASTER_KEY: KEYS.guide.toString('hex'),
  }),
  ...strange('staging').map(([id, value]) => refused(`ENVIRONMENT ${id}`, 'ENVIRONMENT', { ENVIRONMENT: value })),
  ...strange('us-east-1').map(([id, value]) => refused(`AWS_REGION ${id}`, 'AWS_REGION', { AWS_REGION: value })),
  ...strange(NAME).map(([id, value]) =>
    refused(`SECRETS_MANAGER_KEY_NAME ${id}`, 'SECRETS_MANAGER_KEY_NAME', { SECRETS_MANAGER_KEY_NAME: value }),
  ),
  ...strange(KEY)
    .filter(([, value]) => !/^[ \t\r\n]|[ \t\r\n]$/.test(value))
    .map(([id, value]) =>
      refused(`ENCRYPTION_MASTER_KEY ${id}`, 'ENCRYPTION_MASTER_KEY', { ENCRYPTION_MASTER_KEY: value }),
    ),
  refused('a region in capitals', 'AWS_REGION', { AWS_REGION: 'US-EAST-1' }),
  refused('no region', 'AWS_REGION', { AWS_REGION: '' }),
  refused('no name', 'SECRETS_MANAGER_KEY_NAME', { SECRETS_MANAGER_KEY_NAME: '' }),
  refused('local, a name in quotes', 'SECRETS_MANAGER_KEY_NAME', {
    ENVIRONMENT: 'local',
    SECRETS_MANAGER_KEY_NAME: `"${NAME}"`,
  }),
];
