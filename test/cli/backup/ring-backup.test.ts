import { backedUpKey, backupText, parseBackup } from '../../../src/cli/backup/ring-backup.ts';
import { keyOf } from '../../support/ring.ts';
import { numbers } from '../support/operator.ts';

describe('the decrypted file', () => {
  const text = backupText({
    secret: 'arn',
    madeAt: '2026-11-30T00:00:00.000Z',
    keys: [backedUpKey(numbers(1), true, { SecretString: keyOf(1).toString('base64') })],
  });

  test.each([
    ['no JSON', text.slice(1), 'not JSON'],
    ['a list', '[]', 'not a JSON object'],
    ['another format', text.replace('backup-1', 'backup-2'), 'its format is not'],
    ['no secret', text.replace('"arn"', '7'), 'whose ring'],
    ['no key', text.replace(/"keys":.*/, '"keys":[]}'), 'no key'],
    ['a number that is none', text.replace('[1]', '[0]'), 'entry 1 has no valid number'],
    ['no value', text.replace('secretString', 'secretText'), 'entry 1 has no value'],
    ['one number twice', text.replace('[1]', '[1,1]'), 'a number names two keys'],
  ])('is refused with %s, and not quoted', (_, changed, says) => {
    expect(() => parseBackup(changed)).toThrow(expect.objectContaining({ code: 'INVALID_BACKUP' }) as Error);
    expect(() => parseBackup(changed)).toThrow(says);
    expect(() => parseBackup(changed)).not.toThrow(keyOf(1).toString('base64').slice(0, 12));
  });
});
