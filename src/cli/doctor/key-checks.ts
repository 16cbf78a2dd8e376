import { isKeyRotationError } from '../../format/error.ts';
import { numberingLabel } from '../../format/key-number.ts';
import { invalidKeyText, readKeyValue } from '../../format/key-value.ts';
import type { KeyMaterial } from '../../format/key-material.ts';
import { check, checked, finding, notChecked, type Finding } from './check.ts';
import { given } from '../process-io.ts';
import { USAGE_LIMITS } from '../../keyring/telemetry/key-usage.ts';
import { encryptionWords } from '../status/key-encryptions.ts';
import { detaching } from '../status/label-call.ts';
import { notesOn, recommended } from '../status/notes.ts';
import { quoted, step } from '../suggested-commands.ts';
import type { Reading } from '../ring/reading.ts';

const UNDESCRIBED = 'The secret could not be described.';

/** What an application with this environment would do now. */
export const FALLBACK_IN_USE = check('fallback-in-use', 'fallback to ENCRYPTION_MASTER_KEY (issue 4)', (seen) => {
  const { environment, described, readings, secretId } = seen;
  const isSet = given(environment, 'ENCRYPTION_MASTER_KEY') !== undefined;
  const findings: Finding[] = [];
  const current = described?.ring.current;
  const hasKey = current !== undefined && readings.get(current)?.kind === 'key';
  const how = `${isSet ? 'set' : 'not set'} here, and AWS returns ${hasKey ? 'a' : 'no'} current key`;
  if (isSet && !hasKey) {
    findings.push(
      finding(
        'AWS returns no current key, so an application with this environment encrypts with ENCRYPTION_MASTER_KEY, ' +
          'under number 0. Fix the other findings, then add that key to the ring if it is not on it, so that its ' +
          'rows stay readable.',
        step('put', '--not-current', '--from-env', 'ENCRYPTION_MASTER_KEY'),
      ),
    );
  }
  if (isSet && given(environment, 'ENVIRONMENT') === 'production') {
    findings.push(
      finding(
        'ENCRYPTION_MASTER_KEY is set in production, so two keys would be in use as soon as AWS is down for a ' +
          'moment.',
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

/** Half of 2^32, the limit for all processes together, leaves time to rotate. */
const MANY = USAGE_LIMITS.last / 2;

/** No process sees what the others encrypt. */
export const MANY_ENCRYPTIONS = check(
  'many-encryptions',
  'the current key nears 2^32 encryptions',
  ({ encryptions }) => {
    if (encryptions === undefined) return notChecked(UNDESCRIBED);
    const words = encryptionWords(encryptions) ?? '';
    if ('unknown' in encryptions) return notChecked(words);
    const text =
      'Rotate now, and more often from now on: beyond 2^32 encryptions with random nonces two rows under one key may ' +
      'have the same nonce.';
    return checked(words, encryptions.encryptions < MANY ? [] : [finding(text, step('rotate', '--wait'))]);
  },
);

export const KEY_INVALID = check('key-invalid', 'key length invalid (issue 5)', ({ described, readings, report }) => {
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
  // A rotation that has begun cannot end with such a value, and rollback refuses until it is ended.
  const first = report === undefined ? undefined : recommended(notesOn(report));
  const ending = typeof first === 'object' && first.args.includes('--clean-up') ? [first] : [];
  const next = [...ending, step('rollback'), step('put', '--generate')];
  return checked('its value', [finding(`${found} (version ${current})`, ...next)]);
});

/** A rotation stops unless every key opens. Keys with one cause are one finding. */
export const UNREADABLE_KEY = check('unreadable-key', 'a numbered key cannot be read', (seen) => {
  const { described, readings, secretId } = seen;
  if (described === undefined) return notChecked(UNDESCRIBED);
  const { numberOf } = described.ring;
  const byCause = new Map<string, { readonly reading: Reading; readonly keys: string[] }>();
  const byHand: Finding[] = [];
  for (const [versionId, number] of numberOf) {
    const reading = readings.get(versionId);
    if (reading === undefined || reading.kind === 'key') continue;
    if (reading.kind === 'no key') {
      const text = `${reading.reason} (key ${number}, version ${versionId}). It never encrypted anything, and every rotation stops.`;
      byHand.push(finding(text, detaching(secretId, numberingLabel(number), versionId)));
      continue;
    }
    const why = reading.kind === 'no value' ? 'there is no value' : reading.reason.replaceAll(versionId, 'VERSION');
    const cause = byCause.get(why) ?? { reading, keys: [] };
    cause.keys.push(`key ${number} (version ${versionId})`);
    byCause.set(why, cause);
  }
  const findings = [...byCause].map(([why, { reading, keys }]) => {
    const isOfKms = reading.kind === 'refused' && reading.isKms;
    const kms = isOfKms ? ' An older KMS key must stay enabled and readable.' : '';
    const text = `Cannot be used: ${keys.join(', ')}. ${why}.${kms} Rows under such a number cannot be read, and every rotation stops.`;
    const kmsKeyIds = `aws secretsmanager list-secret-version-ids --secret-id ${quoted(secretId)} --include-deprecated`;
    return finding(text, `${kmsKeyIds}   # KmsKeyIds of the version`);
  });
  return checked(`GetSecretValue of ${numberOf.size} numbered versions`, [...findings, ...byHand]);
});

/** C06: data encrypted with ENCRYPTION_MASTER_KEY is readable only while it is set, unless its key is on the ring. */
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
          `ENCRYPTION_MASTER_KEY does not hold a key: ${key}. If it ever held one, data encrypted with that key ` +
            'still needs it: look for the old value, in former task definitions for example, and put it on the ' +
            'ring. A new key in its place would decrypt nothing.',
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
      return notChecked('Some keys could not be read, and one of them may be equal to it.');
    return checked(`compared with ${keys.length} versions`, [
      finding(
        'Data encrypted with it is readable only while it is set. Add it, then unset it.',
        step('put', '--not-current', '--from-env', 'ENCRYPTION_MASTER_KEY'),
      ),
    ]);
  },
);

function keyIn(text: string): KeyMaterial | string {
  try {
    return readKeyValue({ SecretString: text }).key;
  } catch (error) {
    if (!isKeyRotationError(error)) throw error;
    return invalidKeyText(error, 'a key');
  }
}
