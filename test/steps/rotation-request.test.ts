import { stopServices } from '../local/support/running-service.ts';
import { token } from '../local/support/state-machine.ts';
import { refuses } from '../rotation/support/refusal.ts';
import { current, ringWith, SECRET } from '../support/ring.ts';

afterEach(stopServices);

const ROTATE = "Rotations are started with 'aws secretsmanager rotate-secret'";

describe('an event that is none', () => {
  const ARN_AND_TOKEN = { SecretId: SECRET, ClientRequestToken: token(1) };

  test.each([
    ['null', null],
    ['nothing', undefined],
    ['a text', 'createSecret'],
    ['a number', 42],
    ['a list', ['Step']],
    ['an empty object', {}],
    ['an object without Step', ARN_AND_TOKEN],
    ['an event whose detail-type is no text', { 'detail-type': 5 }],
    ['a step spelt in small letters', { step: 'createSecret', ...ARN_AND_TOKEN }],
  ])('is refused: %s', async (_, event) => {
    const ring = await ringWith(1, current(2));
    await refuses(
      ring,
      () => ring.send(event),
      'NOT_A_ROTATION_EVENT',
      'Expected a rotation event',
      'found neither',
      ROTATE,
    );
    expect(ring.calls).toEqual([]);
  });

  test.each([
    ['an unknown name', 'dropSecret', "'dropSecret'"],
    ['another spelling', 'createsecret', "'createsecret'"],
    ['a name that every object has', 'constructor', "'constructor'"],
    ['an empty text', '', "''"],
    ['null', null, 'null'],
    ['nothing', undefined, 'nothing'],
    ['a number', 1, 'a value of type number'],
    ['a list', ['createSecret'], 'a value of type object'],
    ['a long text, of which 40 characters are shown', 'x'.repeat(500), `'${'x'.repeat(40)}'. `],
  ])('has a step of the four; refused: %s', async (_, Step, found) => {
    const ring = await ringWith(1, current(2));
    const act = () => ring.send({ Step, ...ARN_AND_TOKEN });
    await refuses(
      ring,
      act,
      'UNKNOWN_STEP',
      'one of createSecret, setSecret, testSecret, finishSecret',
      `got ${found}`,
      ROTATE,
    );
    expect(ring.calls).toEqual([]);
  });

  test.each([
    ['no SecretId', { SecretId: undefined }, 'SecretId must be a text of 1 to 2048 characters, got nothing'],
    ['an empty SecretId', { SecretId: '' }, 'SecretId must be a text of 1 to 2048 characters, got 0 characters'],
    ['a SecretId that is too long', { SecretId: 'a'.repeat(2049) }, 'got 2049 characters'],
    ['a SecretId that is a number', { SecretId: 42 }, 'got a value of type number'],
    [
      'no token',
      { ClientRequestToken: undefined },
      'ClientRequestToken must be a text of 32 to 64 characters, got nothing',
    ],
    ['a token that is null', { ClientRequestToken: null }, 'got null'],
    ['a token that is too short', { ClientRequestToken: 'a'.repeat(31) }, 'got 31 characters'],
    ['a token that is too long', { ClientRequestToken: 'a'.repeat(65) }, 'got 65 characters'],
    ['a token that is an object', { ClientRequestToken: {} }, 'got a value of type object'],
    [
      'a RotationToken that is too short',
      { RotationToken: 'a'.repeat(35) },
      'RotationToken must be a text of 36 to 256 characters, got 35 characters',
    ],
    ['a RotationToken that is too long', { RotationToken: 'a'.repeat(257) }, 'got 257 characters'],
    [
      'a RotationToken with a line break at its end',
      { RotationToken: `${'a'.repeat(40)}\n` },
      'found other characters',
    ],
    ['a RotationToken with a space before it', { RotationToken: ` ${'a'.repeat(40)}` }, 'found other characters'],
    ['a RotationToken that is a number', { RotationToken: 7 }, 'got a value of type number'],
  ])('is refused for %s', async (_, fields, found) => {
    const ring = await ringWith(1, current(2));
    const act = () => ring.send({ Step: 'createSecret', ...ARN_AND_TOKEN, ...fields });
    await refuses(ring, act, 'INVALID_EVENT', found, ROTATE, 'fills it in');
    expect(ring.calls).toEqual([]);
  });

  test.each([32, 64])('is taken with a token of %i characters', async (length) => {
    const ring = await ringWith(1, current(2));
    await ring.rotate({ ClientRequestToken: 'a'.repeat(length) });
    expect(ring.labels[3]).toBe('AWSCURRENT key-v3');
  });

  test.each([36, 256])('is taken with a RotationToken of %i characters', async (length) => {
    const ring = await ringWith(1, current(2));
    await ring.begin();
    await ring.step('createSecret', { RotationToken: 'a'.repeat(length) });
    expect(ring.writes).toHaveLength(1);
  });
});
