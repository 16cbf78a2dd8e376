import { stopServices } from '../../local/support/running-service.ts';
import { current, previous, ringWith } from '../../support/ring.ts';
import { checkOf, found, healthyRing } from '../support/examined.ts';
import { giveCredentials, pazpazKeys } from '../support/operator.ts';

// The SDK tries a throttled call again, after a pause.

beforeAll(giveCredentials);
afterEach(stopServices);

describe('doctor finds that it could not look', () => {
  test.each([
    ['ExpiredTokenException', 'credentials have expired', 'aws sso login', 1],
    ['UnrecognizedClientException', 'does not accept these credentials', 'aws sts get-caller-identity', 1],
    ['InvalidParameterException', 'The call itself is wrong', 'pazpaz-keys doctor', 1],
    ['ThrottlingException', 'too many calls at once', 'pazpaz-keys doctor', 3],
    ['InternalServiceError', 'AWS itself failed', 'pazpaz-keys doctor', 3],
  ])('because AWS answers everything with %s', async (type, says, next, exitCode) => {
    const ring = await healthyRing();
    ring.service.faults.set({ kind: 'error', type, message: 'no' });
    const all = await found(ring);
    expect(all).toMatchObject({ codes: ['aws-refused'], exitCode });
    expect(all.text).toContain(says);
    expect(all.text.split('\n')).toContain(next);
    const ran = await pazpazKeys(ring, ['doctor']);
    expect(ran.exitCode).toBe(exitCode);
    expect(ran.stdout).not.toContain('Nothing is wrong');
  });

  test.each([
    ['ListSecretVersionIds', ['aws-refused']],
    ['GetSecretValue', ['unreadable-key', 'aws-refused']],
  ])('because AWS throttles %s alone', async (operation, codes) => {
    const ring = await healthyRing();
    ring.service.faults.set({ kind: 'throttle', operation });
    expect(await found(ring)).toMatchObject({ codes, exitCode: 3 });
  });

  test('names the secret in every command that it suggests for an unreadable key', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({
      kind: 'error',
      operation: 'GetSecretValue',
      type: 'AccessDeniedException',
      message: 'no',
    });
    const { text } = await found(ring);
    const suggested = text.split('\n').filter((line) => line.startsWith('aws secretsmanager '));
    expect(suggested.length).toBeGreaterThan(0);
    expect(suggested.filter((line) => !line.includes(' --secret-id '))).toEqual([]);
  });

  test('because the connection for the listing is lost', async () => {
    const ring = await healthyRing();
    ring.service.faults.set({ kind: 'drop', operation: 'ListSecretVersionIds' });
    expect(await found(ring)).toMatchObject({ codes: ['endpoint-unreachable'], exitCode: 3 });
  });

  test('because Lambda or KMS fails', async () => {
    const ring = await healthyRing();
    const rotationFunction = () =>
      Promise.resolve({ unknown: 'lambda: TooManyRequestsException', isFault: true } as const);
    const { codes, text, checks } = await found(ring, { rotationFunction });
    expect(codes).toEqual(['aws-refused']);
    expect(text).toContain('TooManyRequestsException');
    expect(checkOf(checks, 'schedule-without-function').outcome).toBe('not checked');
  });
});

describe("doctor with the application's role, which may not list versions", () => {
  const DENIED = {
    operation: 'ListSecretVersionIds',
    kind: 'error',
    type: 'AccessDeniedException',
    message: 'no',
  } as const;

  test('finds nothing on a healthy ring, and says what it could not see', async () => {
    const ring = await healthyRing();
    ring.service.faults.set(DENIED);
    const { codes, exitCode, checks } = await found(ring);
    expect({ codes, exitCode }).toEqual({ codes: [], exitCode: 0 });
    const open = checks.filter(({ outcome }) => outcome === 'not checked').map(({ code }) => code);
    expect(open).toEqual(['labels-moved', 'version-without-label', 'kms-key-disabled']);
    expect(checkOf(checks, 'access-denied').how).toContain(
      'ListSecretVersionIds, which only operators need, is denied',
    );
  });

  test('finds what labels alone show', async () => {
    const ring = await ringWith(previous(1), current());
    await ring.enableRotation();
    ring.lambda = 'does nothing';
    for (let label = 1; label <= 14; label += 1) await ring.label(`foreign-${label}`, 1);
    ring.service.faults.set(DENIED);
    expect((await found(ring)).codes).toEqual(['unnumbered-key', 'ring-nearly-full']);
  });

  test('does not call a rotation well of which it cannot tell since when it is under way', async () => {
    const ring = await healthyRing();
    await ring.begin();
    ring.service.faults.set(DENIED);
    expect(checkOf((await found(ring)).checks, 'rotation-late').outcome).toBe('not checked');
  });
});
