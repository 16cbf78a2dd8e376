import type { Secret, SecretVersion } from '../../../../src/local/service/state.ts';
import type { Output } from '../program.ts';
import { everyLabel, numberOf, Violation } from '../seen-secret.ts';

/** What the commands report, as far as it can be checked against the secret. */
interface Report {
  readonly versionId?: string;
  /** restore */
  readonly numbers?: readonly number[];
  /** put */
  readonly number?: number;
  readonly isCurrent?: boolean;
  /** retire */
  readonly retired?: readonly { readonly number: number }[];
  readonly alreadyRetired?: readonly number[];
  /** maintain */
  readonly next?: readonly { readonly code: string }[];
  /** rollback */
  readonly currentNumber?: number;
  readonly leftNumber?: number;
  /** move */
  readonly moved?: readonly { readonly number: number; readonly to: string }[];
  readonly under?: readonly number[];
  readonly kmsKeyId?: string;
  /** restore-ring */
  readonly brought?: readonly number[];
  readonly wereThere?: readonly number[];
  /** backup: the keys in its file, by number */
  readonly backedUp?: Readonly<Record<string, string>>;
  /** adopt */
  readonly rescued?: { readonly versionId: string; readonly number: number };
}

/** A secret, or a description of it. */
export interface Shown {
  /** Each label beside its version. */
  readonly labels: readonly (readonly [string, string])[];
  readonly tags: readonly string[];
  /** Only where all of the secret is seen: no description shows it. */
  readonly versions?: Secret['versions'];
}

/** Something that a command reports as done, or as unchanged. */
export interface Claim {
  readonly text: string;
  /** About numbers and records alone, which a rotation beside the command does not change. */
  readonly isOfNumbers: boolean;
  readonly holds: (shown: Shown) => boolean;
}

export function shownBy(secret: Secret): Shown {
  return { labels: everyLabel(secret), tags: secret.tags.map(({ Key }) => Key), versions: secret.versions };
}

/** What an answer of DescribeSecret shows. */
export function shownIn({ VersionIdsToStages = {}, Tags = [] }: Output): Shown {
  const stages = VersionIdsToStages as Readonly<Record<string, readonly string[]>>;
  return {
    labels: Object.entries(stages).flatMap(([id, labels]) => labels.map((label) => [id, label] as const)),
    tags: (Tags as readonly { readonly Key: string }[]).map(({ Key }) => Key),
  };
}

/** Throws `Violation` for a claim that is not so. */
export function check(line: string, claims: readonly Claim[], shown: Shown): void {
  for (const { text, holds } of claims) {
    if (!holds(shown)) throw new Violation(`a false report: ${line} says that ${text}`);
  }
}

/** All that a command claims by its result. */
export function claimsOf(line: string, result: unknown): readonly Claim[] {
  const report = (result ?? {}) as Report;
  const { versionId, number, isCurrent, currentNumber, leftNumber, rescued } = report;
  const claims: Claim[] = [];
  const ofNumbers = (text: string, holds: Claim['holds']) => claims.push({ text, isOfNumbers: true, holds });
  const ofAll = (text: string, holds: Claim['holds']) => claims.push({ text, isOfNumbers: false, holds });

  for (const each of report.numbers ?? []) ofNumbers(`key ${each} is back`, has(`key-v${each}`, versionId));
  if (report.numbers !== undefined) {
    ofNumbers('no record of a retirement is left', ({ tags }) =>
      (report.numbers ?? []).every((each) => !tags.includes(`pazpaz:retired:key-v${each}`)),
    );
  }
  // restore-ring lists under `retired` what it left alone.
  const retired = line.startsWith('restore-ring') ? [] : (report.retired ?? []).map((key) => key.number);
  for (const each of [...retired, ...(report.alreadyRetired ?? [])])
    ofNumbers(`key ${each} is off the ring`, (shown) => !has(`key-v${each}`)(shown));
  // A `restore` at the same moment may remove the record. `maintain` looks again at its end, and then warns of it.
  const isWarnedOf = report.next?.some(({ code }) => code === 'version-without-label') === true;
  for (const each of retired)
    ofNumbers(`key ${each} can be restored`, ({ tags }) => isWarnedOf || tags.includes(`pazpaz:retired:key-v${each}`));
  if (currentNumber !== undefined && leftNumber !== undefined) {
    ofAll(`key ${currentNumber} is current`, (shown) =>
      has(`key-v${currentNumber}`, holder('AWSCURRENT', shown))(shown),
    );
    ofAll(
      `key ${leftNumber} was left`,
      (shown) => leftNumber === 0 || has(`key-v${leftNumber}`, holder('AWSPREVIOUS', shown))(shown),
    );
  }
  if (number !== undefined) {
    ofNumbers(`its version is key ${number}`, has(`key-v${number}`, versionId));
    ofAll(`it is current: ${String(isCurrent)}`, (shown) => has('AWSCURRENT', versionId)(shown) === isCurrent);
  }
  if (rescued !== undefined) ofNumbers('a version can be read again', has(`key-v${rescued.number}`));
  if (line === 'adopt' || line.startsWith('adopt ')) {
    ofAll('every key in use has a number', (shown) =>
      shown.labels.every(
        ([id, label]) =>
          !isOfUse(label) || shown.labels.some((each) => each[0] === id && numberOf(each[1]) !== undefined),
      ),
    );
  }
  if (line === 'rotate --clean-up')
    ofAll('no rotation is left', (shown) => {
      const pending = holder('AWSPENDING', shown);
      return versionId === undefined
        ? [holder('AWSCURRENT', shown), undefined].includes(pending)
        : pending !== versionId;
    });
  for (const { number: each, to } of report.moved ?? []) ofNumbers(`key ${each} is on ${to}`, has(`key-v${each}`, to));
  for (const each of report.under ?? []) {
    ofNumbers(
      `key ${each} is under ${report.kmsKeyId ?? ''}`,
      whereSeen(each, ({ kmsKeyId }) => kmsKeyId === report.kmsKeyId),
    );
  }
  for (const each of [...(report.brought ?? []), ...(report.wereThere ?? [])])
    ofNumbers(`key ${each} is on the ring`, has(`key-v${each}`));
  const { backedUp } = report;
  if (backedUp !== undefined) {
    ofAll('every key is in the file', ({ labels }) =>
      labels.every(([, label]) => (numberOf(label) ?? Object.keys(backedUp)[0] ?? '') in backedUp),
    );
    for (const [each, key] of Object.entries(backedUp)) {
      ofNumbers(
        `key ${each} is in the file`,
        whereSeen(Number(each), ({ value }) => value?.kind === 'string' && value.text === key),
      );
    }
  }
  if (line === 'rotate') ofAll('its version exists', ({ labels }) => labels.some(([id]) => id === versionId));
  return claims;
}

/** Whether a label is on this version, or on any. */
function has(label: string, versionId?: string): Claim['holds'] {
  return ({ labels }) => labels.some(([id, each]) => each === label && (versionId === undefined || id === versionId));
}

/** Whether the version that has a number is so, where all of the secret is seen and the number is there. */
function whereSeen(number: number, isSo: (version: SecretVersion) => boolean): Claim['holds'] {
  return ({ labels, versions = {} }) =>
    labels.every(([id, label]) => {
      const version = versions[id];
      return label !== `key-v${number}` || version === undefined || isSo(version);
    });
}

function holder(label: string, { labels }: Shown): string | undefined {
  return labels.find(([, each]) => each === label)?.[0];
}

function isOfUse(label: string): boolean {
  return label === 'AWSCURRENT' || label === 'AWSPREVIOUS';
}
