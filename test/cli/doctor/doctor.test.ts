import type { EncryptionCount } from '../../../src/cli/aws/encryption-count.ts';
import { CreateSecretCommand, DeleteSecretCommand, TagResourceCommand } from '@aws-sdk/client-secrets-manager';
import { runAdopt } from '../../../src/cli/commands/adopt.ts';
import { runCleanUp } from '../../../src/cli/ring/clean-up.ts';
import { runPutNotCurrent } from '../../../src/cli/commands/put.ts';
import { runRetire } from '../../../src/cli/commands/retire.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { LAMBDA_ARN } from '../../local/support/simple-lambda.ts';
import { DAY, HOUR } from '../../local/support/state-machine.ts';
import { current, holding, keyOf, previous, ringWith, SECRET, type TestRing } from '../../support/ring.ts';
import { checkOf, examined, found, healthyRing } from '../support/examined.ts';
import { counting, giveCredentials, numbers, operatorOf, pazpazKeys, valueOf } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

const ENVIRONMENT_KEY = keyOf(77).toString('base64');
const REFUSED = { operation: 'GetSecretValue', kind: 'error', type: 'AccessDeniedException' } as const;

describe('doctor is silent on a healthy ring', () => {
  test('and exits with 0, with every check made', async () => {
    const { result, exitCode } = await examined(await healthyRing());
    expect(exitCode).toBe(0);
    expect(result.checks.filter(({ outcome }) => outcome !== 'fine')).toEqual([]);
    expect(result.checks.map(({ code }) => code).slice(0, 5)).toEqual([
      'access-denied',
      'secret-not-found',
      'kms-denied',
      'fallback-in-use',
      'key-invalid',
    ]);
  });

  test('and writes nothing', async () => {
    const ring = await healthyRing();
    const before = ring.snapshot;
    await examined(ring);
    expect(ring.snapshot).toBe(before);
  });

  test('after a retirement, after a clean-up and after a rescue', async () => {
    const ring = await healthyRing();
    await ring.service.advance(25 * HOUR);
    await runRetire(operatorOf(ring).deps, counting(), { numbers: numbers(1) });
    expect((await found(ring)).codes).toEqual([]);

    await ring.begin();
    await ring.step('createSecret');
    ring.lambda = 'does nothing';
    await runCleanUp(operatorOf(ring).deps);
    expect((await found(ring)).codes).toEqual([]);

    ring.service.setBehaviour({ unlabelledVersions: 'kept' });
    const lost = Object.keys(ring.secret.versions).length + 1;
    await ring.put(keyOf(50).toString('base64'), undefined, ['mine']);
    await ring.rotate();
    await ring.detach('mine');
    expect((await found(ring)).codes).toEqual(['version-without-label']);
    await runAdopt(operatorOf(ring).deps, { versionId: ring.idOf(lost) });
    expect((await found(ring)).codes).toEqual([]);
  });
});

describe('doctor finds, and says how it knows and what fixes it', () => {
  test('issue 1: access denied, and which action is missing', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({ kind: 'error', type: 'AccessDeniedException', message: 'User is not authorized' });
    const { codes, text, exitCode } = await found(ring);
    expect({ codes, exitCode }).toEqual({ codes: ['access-denied'], exitCode: 1 });
    expect(text).toContain('secretsmanager:DescribeSecret');
  });

  test('issue 1: access denied for the value alone', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({
      ...REFUSED,
      message: 'User is not authorized to perform: secretsmanager:GetSecretValue',
    });
    const { codes, text, checks } = await found(ring);
    expect(codes).toEqual(['access-denied', 'unreadable-key']);
    for (const code of ['kms-denied', 'key-invalid'] as const)
      expect(checkOf(checks, code).outcome).toBe('not checked');
    expect(text).toContain('attach a policy that allows secretsmanager:GetSecretValue');
    expect(text.match(/Cannot be used/g)).toHaveLength(1);
  });

  test('issue 2: a wrong name, with the names that are like it', async () => {
    const ring = await healthyRing();
    await ring.client.send(new CreateSecretCommand({ Name: 'something/else' }));
    const { codes, text } = await found(ring, { secretId: 'pazpaz/encryption-key-v2' });
    expect(codes).toEqual(['secret-not-found']);
    expect(text).toContain(`Names there: ${SECRET}, something/else.`);
    expect(text).toContain(`pazpaz-keys doctor --secret-id ${SECRET}`);
  });

  test('issue 2: a secret that waits for its deletion', async () => {
    const ring = await healthyRing();
    await ring.client.send(new DeleteSecretCommand({ SecretId: SECRET }));
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['secret-not-found']);
    expect(text).toContain('aws secretsmanager restore-secret');
  });

  test('issue 3: KMS denied', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({ ...REFUSED, versionId: ring.idOf(3), message: 'Access to KMS is not allowed' });
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['kms-denied', 'unreadable-key']);
    expect(text).toContain('kms:Decrypt');
  });

  test('issue 4: the environment key is what an application would use', async () => {
    const ring = await ringWith();
    const { codes, text } = await found(ring, { environment: { ENCRYPTION_MASTER_KEY: ENVIRONMENT_KEY } });
    expect(codes).toContain('fallback-in-use');
    expect(text).toContain('under number 0');
    expect(text).not.toContain(ENVIRONMENT_KEY);
  });

  test('issue 4: the variable in production, and another secret in the environment', async () => {
    const ring = await healthyRing();
    const environment = {
      ENVIRONMENT: 'production',
      ENCRYPTION_MASTER_KEY: keyOf(1).toString('base64'),
      SECRETS_MANAGER_KEY_NAME: 'pazpaz/other',
    };
    const { codes, text } = await found(ring, { environment });
    expect(codes).toEqual(['fallback-in-use']);
    expect(text).toContain('set in production');
    expect(text).toContain("names another secret: 'pazpaz/other'");
  });

  test('issue 5: a current value that is no key', async () => {
    const ring = await ringWith(previous(1), holding(Buffer.alloc(24).toString('base64'), current()));
    await ring.enableRotation();
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['key-invalid']);
    expect(text).toContain('must be 32 bytes, got 24 bytes');
    expect(text).toContain('pazpaz-keys put --generate');
  });

  test('a secret without a key', async () => {
    const { codes, text } = await found(await ringWith());
    expect(codes).toContain('key-invalid');
    expect(text).toContain('pazpaz-keys rotate --wait');
  });

  test('a key in use without a number', async () => {
    const ring = await ringWith(previous(1), current());
    await ring.enableRotation();
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['unnumbered-key']);
    expect(text).toContain('pazpaz-keys adopt');
  });

  test('C18: a number that a put has moved to other material', async () => {
    const ring = await healthyRing();
    await ring.service.advance(HOUR);
    await ring.put(keyOf(60).toString('base64'), undefined, ['key-v1']);
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['labels-moved', 'version-without-label']);
    expect(text).toContain(`Key 1 is on version ${ring.idOf(4)}`);
    expect(text).toContain(`pazpaz-keys adopt --version-id ${ring.idOf(1)}`);
  });

  test('C02: a version that two puts by hand have pushed out of every label', async () => {
    const ring = await ringWith(current(1));
    await ring.enableRotation();
    ring.lambda = 'does nothing';
    for (const place of [21, 22, 23]) await ring.put(keyOf(place).toString('base64'));
    const { codes, text } = await found(ring);
    // Two that still have a label of AWS's, and no number.
    expect(codes).toEqual(['unnumbered-key', 'version-without-label']);
    expect(text).toContain(`pazpaz-keys adopt --version-id ${ring.idOf(2)}`);
  });

  test.each<[string, (ring: TestRing) => Promise<void>]>([
    [
      'a key that was put over a refused rotation, which then went on',
      async (ring) => {
        await ring.begin();
        await ring.service.advance(HOUR);
        await runPutNotCurrent(operatorOf(ring).deps, valueOf(9));
        await ring.service.advance(HOUR);
        await ring.reattempt();
      },
    ],
    [
      'two keys that were put over it',
      async (ring) => {
        await ring.begin();
        for (const place of [9, 10]) {
          await ring.service.advance(HOUR);
          await runPutNotCurrent(operatorOf(ring).deps, valueOf(place));
        }
        await ring.reattempt();
      },
    ],
  ])('no label that was moved where the history is a legal one: %s', async (_, happens) => {
    const ring = await healthyRing();
    await happens(ring);
    expect((await found(ring)).codes).toEqual([]);
    await ring.rotate();
    expect((await found(ring)).codes).toEqual([]);
  });

  test('no label that was moved where AWSCURRENT was moved back by hand before either key had a number', async () => {
    const ring = await ringWith(current());
    await ring.service.advance(HOUR);
    ring.lambda = 'does nothing';
    await ring.put(keyOf(2).toString('base64'));
    await ring.label('AWSCURRENT', 1);
    await ring.enableRotation();
    await runAdopt(operatorOf(ring).deps, {});
    expect(ring.labels).toEqual({ 1: 'AWSCURRENT key-v2', 2: 'AWSPREVIOUS key-v1' });
    expect((await found(ring)).codes).toEqual([]);
    await ring.rotate();
    await ring.rotate();
    expect((await found(ring)).codes).toEqual([]);
  });

  test('no version that holds a copy of a key of the ring, or no key', async () => {
    const ring = await healthyRing();
    await ring.put(keyOf(1).toString('base64'), undefined, ['mine']);
    await ring.put('not a key', undefined, ['yours']);
    expect((await found(ring)).codes).toEqual([]);
  });

  test('what a put or a retirement that was interrupted has left', async () => {
    const ring = await healthyRing();
    ring.lambda = 'does nothing';
    await ring.put(keyOf(9).toString('base64'), undefined, ['key-incoming']);
    const Tags = [{ Key: 'pazpaz:retired:key-v1', Value: `${ring.idOf(1)} 2026-01-01` }];
    await ring.client.send(new TagResourceCommand({ SecretId: SECRET, Tags }));
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['unfinished-command']);
    expect(text).toContain('pazpaz-keys adopt');
    expect(text).toContain('pazpaz-keys restore 1');
  });

  test('a ring that is nearly full, and one that is full', async () => {
    const ring = await healthyRing();
    for (let label = 1; label <= 11; label += 1) await ring.label(`foreign-${label}`, 1);
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['ring-nearly-full']);
    expect(text).toContain('pazpaz-keys retire 1');
    for (let label = 12; label <= 14; label += 1) await ring.label(`foreign-${label}`, 1);
    expect(await found(ring)).toMatchObject({
      codes: ['ring-nearly-full'],
      text: expect.stringContaining('No label is free') as string,
    });
  });

  test('C17: a rotation that is late, and one that is stuck', async () => {
    const ring = await healthyRing();
    ring.lambda = 'fails';
    await ring.service.advance(400 * DAY);
    const { codes, text, exitCode } = await found(ring);
    expect({ codes, exitCode }).toEqual({ codes: ['rotation-late'], exitCode: 1 });
    expect(text).toContain('35 days late');
    expect(text).toContain('has been unfinished since');
    expect(text).toContain('aws logs tail /aws/lambda/rotate --region us-east-1 --since 2d');
    // The stack's function has a log group of another name than Lambda's default.
    const unknown = { rotationFunction: () => Promise.resolve({ unknown: 'not allowed' }) };
    expect((await found(ring, unknown)).text).toContain(
      `aws logs tail "$(aws lambda get-function-configuration --region us-east-1 --function-name ${LAMBDA_ARN} --query LoggingConfig.LogGroup --output text)" --region us-east-1 --since 2d`,
    );
  });

  test.each([
    ['that made no key', []],
    ['that has made its key', ['createSecret' as const]],
  ])('a rotation %s and is stuck, which is not late yet, after a day and not before', async (_, steps) => {
    const ring = await healthyRing();
    await ring.begin();
    await ring.steps(...steps);
    ring.lambda = 'fails';
    await ring.service.advance(23 * HOUR);
    expect((await found(ring)).codes).toEqual([]);
    await ring.service.advance(2 * HOUR);
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['rotation-late']);
    expect(text).toContain(`(version ${ring.idOf(4)}). The function's log shows which step`);
    expect(text).toContain('pazpaz-keys rotate --clean-up');
    expect(text).not.toContain('days late');
  });

  test('a rotation that is switched off', async () => {
    const { codes } = await found(await ringWith(previous(1), current(2)));
    expect(codes).toEqual(['rotation-late']);
  });

  test('C19: a numbered key that cannot be read, by its number and version', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({ ...REFUSED, versionId: ring.idOf(1), message: 'Access to KMS is not allowed' });
    const { codes, text } = await found(ring);
    expect(codes).toEqual(['unreadable-key']);
    expect(text).toContain(`Cannot be used: key 1 (version ${ring.idOf(1)}). `);
    expect(text).toContain('older KMS key');
    expect(text).toContain(`list-secret-version-ids --secret-id ${SECRET} --include-deprecated`);
  });

  test('C06: an environment key that is not on the ring', async () => {
    const ring = await healthyRing();
    const environment = { ENCRYPTION_MASTER_KEY: ENVIRONMENT_KEY };
    const { codes, text } = await found(ring, { environment });
    expect(codes).toEqual(['environment-key']);
    expect(text).toContain('put --not-current --from-env');
    const nonsense = await found(ring, { environment: { ENCRYPTION_MASTER_KEY: 'nonsense' } });
    expect(nonsense.codes).toEqual(['environment-key']);
    // A new key in the place of one that has data would read none of it.
    expect(nonsense.text).toContain('look for the old value');
    expect(nonsense.text).not.toContain('openssl rand');
    expect((await found(ring, { environment: { ENCRYPTION_MASTER_KEY: keyOf(1).toString('hex') } })).codes).toEqual([]);
  });

  test('a current key that nears the limit of encryptions, as the metric of the stack counts them', async () => {
    const counted = async (count: EncryptionCount) => {
      const { checks } = await found(await healthyRing(), { countEncryptions: () => Promise.resolve(count) });
      const { outcome, how } = checks.find(({ code }) => code === 'many-encryptions') ?? {};
      return [outcome, how];
    };
    const since = '2026-01-01T00:00:00.000Z';
    expect(await counted({ encryptions: 42_949_673, since })).toEqual([
      'fine',
      '42,949,673 encryptions logged since 2026-01-01, 1.00 % of 2^32',
    ]);
    expect((await counted({ encryptions: 2 ** 31, since }))[0]).toBe('found');
    expect(await counted({ unknown: 'no permission', isAsked: true })).toEqual([
      'not checked',
      'not known: no permission',
    ]);
    expect(await counted({ unknown: 'no stack' })).toEqual([undefined, undefined]);
  });

  test('an endpoint that cannot be reached, with exit code 3 and nothing else asserted', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({ kind: 'drop' });
    const { codes, exitCode, checks } = await found(ring);
    expect({ codes, exitCode }).toEqual({ codes: ['endpoint-unreachable'], exitCode: 3 });
    expect(checkOf(checks, 'access-denied').outcome).toBe('not checked');
  });

  test('an endpoint that goes away in the middle of it', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({ kind: 'drop', operation: 'GetSecretValue', nth: 2 });
    expect(await found(ring)).toMatchObject({ codes: ['endpoint-unreachable'], exitCode: 3 });
  });

  test('a clock that is wrong', async () => {
    const { codes, text } = await found(await healthyRing(), { clockOffset: () => -600_000 });
    expect(codes).toEqual(['clock-wrong']);
    expect(text).toContain('600 s off');
  });

  test('the clock of a service that is not AWS is not compared: it can be moved', async () => {
    const clock = { clockOffset: () => 600_000, whyNotAwsClock: () => 'It is not AWS' };
    const { codes, checks } = await found(await healthyRing(), clock);
    expect(codes).toEqual([]);
    expect(checkOf(checks, 'clock-wrong')).toMatchObject({
      outcome: 'not checked',
      how: 'It is not AWS, and its clock may have been moved.',
    });
  });
});

describe('the command', () => {
  test('shows each check with how it knows, and exits with 0 on a healthy ring', async () => {
    const { exitCode, stdout } = await pazpazKeys(await healthyRing(), ['doctor']);
    expect(stdout).toContain('ok     access denied (issue 1)');
    // Lambda is not asked about the secrets of a local service.
    expect(stdout).toContain('?      a schedule without a function');
    expect(stdout).toContain('Nothing is wrong, 1 of 19 not checked.');
    expect(exitCode).toBe(0);
  });

  test('calls no clock wrong because a local service has moved its own', async () => {
    const ring = await healthyRing();
    const { stdout, exitCode } = await pazpazKeys(ring, ['doctor'], { clockError: 3_600_000 });
    expect(stdout).toContain("?      this machine's clock is wrong: this endpoint is not AWS's own");
    expect(exitCode).toBe(0);
  });

  test('shows no key, whatever it has read', async () => {
    const ring = await healthyRing();
    const { stdout, stderr } = await pazpazKeys(ring, ['doctor'], {
      environment: { ENCRYPTION_MASTER_KEY: ENVIRONMENT_KEY },
    });
    for (const key of [ENVIRONMENT_KEY, ...[1, 2, 3].map((place) => keyOf(place).toString('base64'))]) {
      expect(stdout + stderr).not.toContain(key);
    }
  });
});
