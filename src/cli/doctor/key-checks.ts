import { isKeyRotationError } from '../../format/error.ts';
import { invalidKeyText, readKeyValue } from '../../format/key-value.ts';
import type { KeyMaterial } from '../../format/key-material.ts';
import { check, checked, finding, notChecked, type Finding } from './check.ts';
import { given } from '../process-io.ts';
import { step } from '../suggested-commands.ts';

const UNDESCRIBED = 'The secret could not be described.';

/** Issue 4: what an application with this environment would do now. */
export const FALLBACK_IN_USE = check('fallback-in-use', 'fallback to ENCRYPTION_MASTER_KEY (issue 4)', (seen) => {
  const { environment, described, readings, secretId } = seen;
  const isSet = given(environment, 'ENCRYPTION_MASTER_KEY') !== undefined;
  const findings: Finding[] = [];
  const current = described?.ring.current;
  const hasKey = current !== undefined && readings.get(current)?.kind === 'key';
  const how = `${isSet ? 'set' : 'not set'} here, and AWS gives ${hasKey ? 'a' : 'no'} current key`;
  if (isSet && !hasKey) {
    findings.push(
      finding(
        'AWS gives no current key, so an application with this environment encrypts with ENCRYPTION_MASTER_KEY, under number 0. Mend what stands above and below; then add that key, if it is another, so that its rows stay readable.',
        step('put', '--not-current', '--from-env', 'ENCRYPTION_MASTER_KEY'),
      ),
    );
  }
  if (isSet && given(environment, 'ENVIRONMENT') === 'production') {
    findings.push(
      finding(
        'ENCRYPTION_MASTER_KEY is set in production, where AWS being down for a moment would let two keys be in use.',
        'unset ENCRYPTION_MASTER_KEY   # in the task definition',
      ),
    );
  }
  const name = given(environment, 'SECRETS_MANAGER_KEY_NAME');
  if (name !== undefined && name !== secretId && name !== described?.secret.Name && name !== described?.secret.ARN) {
    findings.push(
      finding(
        `SECRETS_MANAGER_KEY_NAME names another secret: '${name}'. An application with this environment reads that one.`,
        { command: 'doctor', args: [], secretId: name },
      ),
    );
  }
  return checked(how, findings);
});

/** Issue 5: the current version holds something that is no key. */
export const KEY_INVALID = check('key-invalid', 'key length invalid (issue 5)', ({ described, readings }) => {
  const current = described?.ring.current;
  if (current === undefined) {
    return described === undefined
      ? notChecked(UNDESCRIBED)
      : checked('DescribeSecret', [
          finding('The secret has no current key. Its first rotation makes key 1.', step('rotate', '--wait')),
        ]);
  }
  const reading = readings.get(current);
  if (reading?.kind === 'refused') return notChecked('The current version could not be read.');
  if (reading?.kind === 'key') return checked('its value decodes to 32 bytes', []);
  const found = reading?.kind === 'no key' ? reading.reason : 'Version without a value';
  return checked('its value', [finding(`${found} (version ${current})`, step('rollback'), step('put', '--generate'))]);
});

/** Every key of the ring has to open, or a rotation stops. */
export const UNREADABLE_KEY = check('unreadable-key', 'a numbered key cannot be read', ({ described, readings }) => {
  if (described === undefined) return notChecked(UNDESCRIBED);
  const findings = [...described.ring.numberOf].flatMap(([versionId, number]): readonly Finding[] => {
    const reading = readings.get(versionId);
    if (reading === undefined || reading.kind === 'key') return [];
    const why = reading.kind === 'no value' ? 'it has no value' : reading.reason;
    const kms =
      reading.kind === 'refused' && reading.isKms
        ? ' It may be under an older KMS key: that one has to stay enabled, and readable.'
        : '';
    return [
      finding(
        `Key ${number} (version ${versionId}) cannot be used: ${why}.${kms} Rows of that number cannot be read, and no rotation promotes anything.`,
        'aws secretsmanager list-secret-version-ids --include-deprecated   # KmsKeyIds of the version',
      ),
    ];
  });
  return checked(`GetSecretValue of ${described.ring.numberOf.size} numbered versions`, findings);
});

/** C06: what ENCRYPTION_MASTER_KEY has encrypted is readable only while it is set, unless it is on the ring. */
export const ENVIRONMENT_KEY = check(
  'environment-key',
  'ENCRYPTION_MASTER_KEY is not on the ring',
  ({ environment, described, readings }) => {
    const text = given(environment, 'ENCRYPTION_MASTER_KEY');
    if (text === undefined) return checked('the variable is not set here', []);
    const key = keyIn(text);
    if (typeof key === 'string') {
      return checked('its value', [
        finding(
          `ENCRYPTION_MASTER_KEY holds no key: ${key}. If it ever held one, what that one has encrypted needs it still: look for the value it had, in former task definitions, and put that on the ring. A new key in its place would read nothing.`,
          'unset ENCRYPTION_MASTER_KEY   # in the task definition, where it never held a key',
        ),
      ]);
    }
    if (described === undefined) return notChecked(UNDESCRIBED);
    const keys = [...readings.values()];
    if (keys.some((reading) => reading.kind === 'key' && reading.key.equals(key))) {
      return checked('it equals a key of the ring', []);
    }
    if (keys.some(({ kind }) => kind === 'refused'))
      return notChecked('Some keys could not be read, and it may be one of them.');
    return checked(`compared with ${keys.length} versions`, [
      finding(
        'What it has encrypted is readable only while it is set. Add it, then unset it.',
        step('put', '--not-current', '--from-env', 'ENCRYPTION_MASTER_KEY'),
      ),
    ]);
  },
);

/** The key, or what is wrong with it. */
function keyIn(text: string): KeyMaterial | string {
  try {
    return readKeyValue({ SecretString: text }).key;
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    return invalidKeyText(error, 'a key');
  }
}
