import { notesOn } from '../status/notes.ts';
import { check, checked, finding, notChecked, type Finding } from './check.ts';
import type { Examination } from './examination.ts';

/** AWS re-encrypts only versions with its own labels when the KMS key changes. */
export const KMS_KEY_DISABLED = check(
  'kms-key-disabled',
  'a KMS key is disabled or scheduled for deletion',
  ({ kmsKeys, report, unlisted }) => {
    if (report === undefined || unlisted !== undefined) return notChecked('The versions could not be listed.');
    const findings: Finding[] = [];
    const unknown: string[] = [];
    for (const [keyId, found] of kmsKeys) {
      if ('unknown' in found) unknown.push(found.unknown);
      else if (found.state !== 'Enabled')
        findings.push(disabled(keyId, found.state, numbersUnder(keyId, report.versions)));
    }
    if (findings.length === 0 && unknown.length > 0) return notChecked(`kms:DescribeKey: ${unknown.join('; ')}`);
    const how =
      kmsKeys.size === 0 ? 'every version is under the AWS-managed key' : `DescribeKey of ${kmsKeys.size} KMS keys`;
    // Nothing is wrong as long as the older KMS key is enabled.
    const older = notesOn(report).filter(({ code }) => code === 'older-kms-key');
    const next = older.some((note) => note.next.length > 0) ? ' status names the command that moves them.' : '';
    return checked([how, ...older.map(({ text }) => `${text}${next}`)].join('. '), findings);
  },
);

function numbersUnder(keyId: string, versions: NonNullable<Examination['report']>['versions']): string {
  const numbers = versions.filter(({ kmsKeyIds }) => kmsKeyIds.includes(keyId)).flatMap(({ number }) => number ?? []);
  return numbers.length === 0 ? 'versions without a number' : `key ${numbers.join(', ')}`;
}

function disabled(keyId: string, state: string, needed: string): Finding {
  const next = state === 'PendingDeletion' ? [`aws kms cancel-key-deletion --key-id ${keyId}`] : [];
  return finding(
    `KMS key ${keyId} is ${state}, and ${needed} cannot be read without it.`,
    ...next,
    `aws kms enable-key --key-id ${keyId}`,
  );
}

/** A replica is a backup only if it has every number. */
export const REPLICA_BEHIND = check('replica-behind', 'a replica lacks a number', ({ replicas, described }) => {
  if (described === undefined) return notChecked('The secret could not be described.');
  if (replicas.length === 0) return checked('the secret has no replica', []);
  const findings: Finding[] = [];
  const unknown: string[] = [];
  for (const { region, status, numbers } of replicas) {
    if (!(numbers instanceof Set)) {
      if ('unknown' in numbers) unknown.push(`${region}: ${numbers.unknown}`);
      continue;
    }
    const missing = [...described.ring.versionOf.keys()].filter((number) => !numbers.has(number));
    if (missing.length === 0 && status !== 'Failed') continue;
    const what = missing.length === 0 ? `is ${status}` : `lacks key ${missing.join(', ')}`;
    findings.push(
      finding(
        `The replica in ${region} ${what}: it is not a backup of the ring, and readers there cannot read those ` +
          'rows.',
        `aws secretsmanager describe-secret --secret-id ${described.secret.Name ?? ''} --region ${region}`,
      ),
    );
  }
  if (findings.length === 0 && unknown.length > 0) return notChecked(unknown.join('; '));
  return checked(`DescribeSecret in ${replicas.map(({ region }) => region).join(', ')}`, findings);
});
