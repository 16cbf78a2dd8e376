import { wrongPlace, mayBeElsewhere, type Place } from '../../../src/cli/aws/wrong-place.ts';

const ARN = 'arn:aws:secretsmanager:eu-west-1:999999999999:secret:clinic-AbCdEf';

const asked = (place: Partial<Place> = {}): Place => ({
  secretId: 'clinic',
  region: 'us-east-1',
  account: undefined,
  otherRegions: [],
  isIn: () => Promise.resolve(false),
  ...place,
});

const answer = (name: string, message = 'no') => Object.assign(new Error(message), { name, $fault: 'client' });
const missing = answer('ResourceNotFoundException', "Secrets Manager can't find the specified secret.");
const denied = (account: string) =>
  answer('AccessDeniedException', `User: arn:aws:sts::${account}:assumed-role/Operator/me is not authorized`);

async function said(error: Error, place: Partial<Place>) {
  const explained = await wrongPlace(error, asked(place));
  if (!(explained instanceof Error)) throw new Error('no error');
  return explained;
}

test.each([missing, denied('999999999999')])(
  'a secret whose ARN is of another region has its own sentence and option: $name',
  async (error) => {
    expect(await said(error, { secretId: ARN })).toMatchObject({
      code: error === missing ? 'SECRET_NOT_FOUND' : 'AWS_REFUSED',
      message: 'The secret is in eu-west-1, as its ARN says, and the call went to us-east-1: pass --region eu-west-1.',
      cause: error,
    });
  },
);

test('so has one of another account, as the refusal or the credentials say', async () => {
  const sentence =
    'The secret is in account 999999999999, as its ARN says, and the credentials are of account 111122223333: ' +
    'use a profile of account 999999999999 (--profile, AWS_PROFILE).';
  const place = { secretId: ARN, region: 'eu-west-1' };
  expect(await said(denied('111122223333'), place)).toMatchObject({ code: 'AWS_REFUSED', message: sentence });
  expect(await said(missing, { ...place, account: '111122223333' })).toMatchObject({ message: sentence });
});

test('a name that is in another region of the environment is named there', async () => {
  const isIn = (region: string) => Promise.resolve(region === 'eu-north-1');
  const found = await said(missing, { otherRegions: ['eu-west-1', 'eu-north-1'], isIn });
  expect(found.message).toBe("The secret 'clinic' is in eu-north-1, and not in us-east-1: pass --region eu-north-1.");
});

test('a name that is nowhere is said to be missing in region and account', async () => {
  expect((await said(missing, { account: '111122223333' })).message).toContain(
    "no secret 'clinic' in us-east-1, account 111122223333. Check its name",
  );
  expect((await said(missing, {})).message).toContain("no secret 'clinic' in us-east-1. Check its name");
});

test('a denial that is no matter of the place stays what it is', async () => {
  const error = denied('999999999999');
  expect(await wrongPlace(error, asked({ secretId: ARN, region: 'eu-west-1' }))).toBe(error);
  expect(await wrongPlace(error, asked())).toBe(error);
});

test.each([
  [missing, true],
  [denied('1'), true],
  [answer('ThrottlingException'), false],
  [answer('ExpiredTokenException'), false],
])('%s may be a matter of the place: %s', (error, may) => {
  expect(mayBeElsewhere(error)).toBe(may);
});
