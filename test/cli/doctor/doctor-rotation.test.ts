import { CancelRotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { stopServices } from '../../local/support/running-service.ts';
import { HOUR } from '../../local/support/state-machine.ts';
import { current, holding, previous, ringWith, SECRET } from '../../support/ring.ts';
import { checkOf, examined, found, healthyRing } from '../support/examined.ts';
import { giveCredentials, spell } from '../support/operator.ts';

beforeAll(giveCredentials);
afterEach(stopServices);

test('doctor shows a rotation that is under way at once, with the command that shows its log', async () => {
  const ring = await healthyRing();
  await ring.begin();
  ring.lambda = 'fails';
  await ring.service.advance(HOUR);
  const { result, exitCode } = await examined(ring);
  const { outcome, how } = checkOf(result.checks, 'rotation-late');
  expect({ outcome, exitCode }).toEqual({ outcome: 'fine', exitCode: 0 });
  expect(how).toContain(`a rotation is under way (version ${ring.idOf(4)}, since `);
  expect(how).toContain('aws logs tail /aws/lambda/rotate --region us-east-1 --since 2d');
});

test('doctor does not say that a secret has never rotated where rotation is off: AWS then shows no date', async () => {
  const ring = await healthyRing();
  await ring.rotate();
  await ring.client.send(new CancelRotateSecretCommand({ SecretId: SECRET }));
  const { result } = await examined(ring);
  expect(checkOf(result.checks, 'rotation-late').how).toBe('schedule, off, AWSPENDING');
});

test('doctor names the end of the rotation first where it waits for a current value that is no key, and no rotate', async () => {
  const ring = await ringWith(previous(1), holding('garbage', current()));
  await ring.enableRotation();
  await ring.begin();
  ring.lambda = 'fails';
  await ring.service.advance(30 * HOUR);
  const { codes, checks, text } = await found(ring);
  expect(codes).toEqual(['key-invalid', 'rotation-late']);
  expect(checkOf(checks, 'key-invalid').findings[0]?.next.map(spell)).toEqual([
    'pazpaz-keys rotate --clean-up',
    'pazpaz-keys rollback',
    'pazpaz-keys put --generate',
  ]);
  expect(text).not.toContain('rotate --wait');
});
