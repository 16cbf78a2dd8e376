import { CancelRotateSecretCommand, CreateSecretCommand, DeleteSecretCommand } from '@aws-sdk/client-secrets-manager';
import type { ErrorCode } from '../../src/format/error.ts';
import { STEPS } from '../../src/steps/rotation-request.ts';
import { stopServices } from '../local/support/running-service.ts';
import { token } from '../local/support/state-machine.ts';
import { begun, refuses } from './support/refusal.ts';
import { current, keyOf, ringWith, SECRET, type TestRing } from '../support/ring.ts';

afterEach(stopServices);

/** A ring, how it comes into the state that a step has to refuse, and the refusal. */
interface Refusal {
  readonly ring: () => Promise<TestRing>;
  readonly event?: (ring: TestRing) => Promise<object> | object;
  readonly code: ErrorCode;
  readonly says: (ring: TestRing) => readonly string[];
}

const EVERY_STEP: Readonly<Record<string, Refusal>> = {
  'a secret that does not exist': {
    ring: () => begun(current(1)),
    event: () => ({ SecretId: 'pazpaz/no-such-secret' }),
    code: 'SECRET_NOT_FOUND',
    says: () => ["no secret 'pazpaz/no-such-secret'", 'Check the name or ARN'],
  },
  'a SecretId that can be no name': {
    ring: () => begun(current(1)),
    event: () => ({ SecretId: 'no name' }),
    code: 'AWS_REFUSED',
    says: () => ['DescribeSecret', "'no name'", 'ValidationException: Invalid name.', 'again'],
  },
  'a deleted secret': {
    ring: async () => {
      const ring = await begun(current(1));
      await ring.client.send(new DeleteSecretCommand({ SecretId: SECRET }));
      return ring;
    },
    code: 'SECRET_DELETED',
    says: () => ['is scheduled for deletion', 'restore-secret'],
  },
  'a secret whose rotation was never enabled': {
    ring: () => ringWith(current(1)),
    code: 'ROTATION_DISABLED',
    says: () => ['Rotation is not enabled', 'rotate-secret --rotation-lambda-arn'],
  },
  'a secret whose rotation was cancelled': {
    ring: async () => {
      const ring = await begun(current(1));
      await ring.client.send(new CancelRotateSecretCommand({ SecretId: SECRET }));
      return ring;
    },
    code: 'ROTATION_DISABLED',
    says: () => ['Rotation is not enabled', 'rotate-secret --rotation-lambda-arn'],
  },
  'a token that is no version': {
    ring: () => begun(current(1)),
    event: () => ({ ClientRequestToken: token(77) }),
    code: 'UNKNOWN_TOKEN',
    says: () => [`${token(77)} is not a version of secret`, 'stale or made up', 'rotate-secret'],
  },
  'a token that is a version of another secret': {
    ring: () => begun(current(1)),
    event: async (ring) => {
      const value = { ClientRequestToken: token(88), SecretString: keyOf(88).toString('base64') };
      await ring.client.send(new CreateSecretCommand({ Name: 'another', ...value }));
      return { ClientRequestToken: token(88) };
    },
    code: 'UNKNOWN_TOKEN',
    says: () => [`${token(88)} is not a version of secret`],
  },
  'a token whose version is not pending': {
    ring: () => begun(1, 2, current(3)),
    event: (ring) => ({ ClientRequestToken: ring.idOf(1) }),
    code: 'NOT_PENDING',
    says: () => ['must have the staging label AWSPENDING, found key-v1', 'abandoned', 'rotate-secret'],
  },
  'a token whose version was current before': {
    ring: () => begun(1, current(2)),
    event: (ring) => ({ ClientRequestToken: ring.idOf(1) }),
    code: 'WAS_CURRENT',
    says: (ring) => [ring.idOf(1), 'left on purpose', 'AWSPREVIOUS', 'Detach AWSPENDING', 'rotate'],
  },
  'a pending version that was current before': {
    ring: async () => {
      const ring = await begun(current(1));
      await ring.steps(...STEPS);
      await ring.label('AWSCURRENT', 1);
      return ring;
    },
    code: 'WAS_CURRENT',
    says: (ring) => [ring.idOf(2), 'not promoted again'],
  },
};

describe.each(Object.entries(EVERY_STEP))('%s', (_, { ring: make, event, code, says }) => {
  test.each(STEPS)(`is refused by %s with ${code}, and nothing is written`, async (step) => {
    const ring = await make();
    const fields = (await event?.(ring)) ?? {};
    await refuses(ring, () => ring.step(step, fields), code, ...says(ring));
    expect(ring.log.at(-1)).toMatchObject({ event: 'rotation_step_failed', code, step });
  });
});

describe('an abandoned rotation', () => {
  test.each(STEPS)('is refused by %s, whose version lost AWSPENDING to a put by hand', async (step) => {
    const ring = await begun(1, current(2));
    await ring.step('createSecret');
    const abandoned = ring.pendingId;
    await ring.label('mine', 3);
    await ring.put(keyOf(9).toString('base64'));
    const act = () => ring.step(step, { ClientRequestToken: abandoned });
    await refuses(ring, act, 'NOT_PENDING', 'found mine', 'abandoned');
  });
});

describe('adoption', () => {
  test.each([undefined, ''])('is refused where SECRET_ARN is %p', async (secretArn) => {
    const ring = await begun(current());
    ring.secretArn = secretArn;
    const says = ['SECRET_ARN', 'found nothing', 'Set it on the function'];
    await refuses(ring, () => ring.tick(), 'NO_SECRET_CONFIGURED', ...says);
  });

  test('of a deleted secret is refused', async () => {
    const ring = await begun(current());
    await ring.client.send(new DeleteSecretCommand({ SecretId: SECRET }));
    await refuses(ring, () => ring.tick(), 'SECRET_DELETED', 'restore-secret');
    expect(ring.log.at(-1)).toMatchObject({ event: 'adoption_failed', code: 'SECRET_DELETED' });
  });

  test('of a secret that does not exist is refused', async () => {
    const ring = await begun(current());
    ring.secretArn = 'pazpaz/no-such-secret';
    await refuses(ring, () => ring.tick(), 'SECRET_NOT_FOUND', 'pazpaz/no-such-secret');
  });
});
