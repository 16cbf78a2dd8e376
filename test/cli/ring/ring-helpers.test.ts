import type { DescribeSecretResponse } from '@aws-sdk/client-secrets-manager';
import type { CommandDependencies } from '../../../src/cli/aws/operator.ts';
import { detachLabel, withoutLabels } from '../../../src/cli/ring/labels.ts';
import { lookUntil, requireSeen, settledRing } from '../../../src/cli/ring/look-again.ts';
import { outdatedRecords } from '../../../src/cli/ring/retired-tags.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { ringLabels } from '../../../src/format/ring-labels.ts';

/* What the commands share, against a service that says what a test tells it to. */

/** Descriptions by the look, from 1; with `timeLeft` milliseconds, of which each pause takes its own. */
function serviceThat(describes: (look: number) => DescribeSecretResponse, timeLeft = 1_000_000) {
  const pauses: number[] = [];
  let looks = 0;
  const unexpected = () => Promise.reject(new Error('no one expects this call'));
  const deps: CommandDependencies = {
    secretId: 'clinic',
    secrets: {
      describeSecret: () => Promise.resolve(describes((looks += 1))),
      getSecretValue: unexpected,
      putSecretValue: unexpected,
      updateSecretVersionStage: unexpected,
      listSecretVersionIds: unexpected,
      listSecrets: unexpected,
      rotateSecret: unexpected,
      tagResource: unexpected,
      untagResource: unexpected,
      updateSecret: unexpected,
    },
    log: () => undefined,
    randomKey: () => new Uint8Array(32),
    newVersionId: () => 'version',
    now: () => new Date(0),
    sleep: (milliseconds) => {
      pauses.push(milliseconds);
      return Promise.resolve();
    },
    remainingTime: () => timeLeft - pauses.reduce((sum, pause) => sum + pause, 0),
    proven: new Set(),
    confirm: unexpected,
  };
  return { deps, pauses, looks: () => looks };
}

const NAMED = { Name: 'clinic' };
const named = (look: number) => ({ Name: `clinic ${look}` });

describe('a look until a description shows something', () => {
  test('ends with the first that does, without a pause', async () => {
    const { deps, pauses, looks } = serviceThat(named);
    expect((await lookUntil(deps, () => true))?.secret).toEqual({ Name: 'clinic 1' });
    expect([pauses, looks()]).toEqual([[], 1]);
  });

  test('pauses longer and longer, and gives the description that shows it', async () => {
    const { deps, pauses } = serviceThat(named);
    expect((await lookUntil(deps, ({ secret }) => secret.Name === 'clinic 4'))?.secret).toEqual({ Name: 'clinic 4' });
    expect(pauses).toEqual([100, 200, 400]);
  });

  test('ends without one after six seconds and a last look', async () => {
    const { deps, pauses, looks } = serviceThat(() => NAMED);
    expect(await lookUntil(deps, () => false)).toBeUndefined();
    expect([pauses, looks()]).toEqual([[100, 200, 400, 800, 1600, 3200, 0], 7]);
  });

  test('still sees at the last of these looks', async () => {
    const { deps } = serviceThat(named);
    expect((await lookUntil(deps, ({ secret }) => secret.Name === 'clinic 7'))?.secret).toEqual({ Name: 'clinic 7' });
  });

  test.each([
    [2100, [100]],
    [2099, []],
    [2300, [100, 200]],
  ])('with %i ms left pauses %j: two seconds are kept for the message', async (timeLeft, expected) => {
    const { deps, pauses } = serviceThat(() => NAMED, timeLeft);
    expect(await lookUntil(deps, () => false)).toBeUndefined();
    expect(pauses).toEqual(expected);
  });
});

test('what is not seen in time is said to be done and not seen, with where to look', async () => {
  const { deps } = serviceThat(() => NAMED);
  await expect(requireSeen(deps, 'A label was attached.', () => false)).rejects.toMatchObject({
    code: 'NOT_SEEN_YET',
    message:
      'A label was attached. AWS accepted that, but does not show it after 6 s: its answer is late, or another process ' +
      'has changed it. Nothing was lost. Check again in a minute: pazpaz-keys status.',
  });
});

test('what is seen is handed on', async () => {
  const { deps } = serviceThat(named);
  expect((await requireSeen(deps, 'Done.', ({ secret }) => secret.Name === 'clinic 2')).secret).toEqual({
    Name: 'clinic 2',
  });
});

describe('a description to decide by', () => {
  test('is the first where something is left to do', async () => {
    const { deps, pauses } = serviceThat(named);
    expect((await settledRing(deps, () => false)).secret).toEqual({ Name: 'clinic 1' });
    expect(pauses).toEqual([]);
  });

  test.each([() => true, () => Promise.resolve(true)])(
    'is a second one, six seconds later, where nothing is',
    async (isDone) => {
      const { deps, pauses, looks } = serviceThat(named);
      expect((await settledRing(deps, isDone)).secret).toEqual({ Name: 'clinic 2' });
      expect([pauses, looks()]).toEqual([[6000], 2]);
    },
  );
});

describe('a label that is taken off', () => {
  const answering = (answer: () => Promise<object>) => {
    const { deps } = serviceThat(() => NAMED);
    const inputs: unknown[] = [];
    const updateSecretVersionStage = (input: object) => {
      inputs.push(input);
      return answer();
    };
    return { deps: { ...deps, secrets: { ...deps.secrets, updateSecretVersionStage } }, inputs };
  };
  const refusing = (name: string, message: string) =>
    answering(() => Promise.reject(Object.assign(new Error(message), { name, $fault: 'client' })));
  const GONE = 'You provided a VersionStage that is not associated to the provided VersionId.';

  test('is named with the version that has it, and with nothing else', async () => {
    const { deps, inputs } = answering(() => Promise.resolve({}));
    await detachLabel(deps, 'key-v1', 'one');
    expect(inputs).toEqual([{ SecretId: 'clinic', VersionStage: 'key-v1', RemoveFromVersionId: 'one' }]);
  });

  test('may be gone already', async () => {
    await expect(detachLabel(refusing('InvalidRequestException', GONE).deps, 'key-v1', 'one')).resolves.toBeUndefined();
  });

  test.each([
    ['InvalidRequestException', 'The secret is scheduled for deletion.'],
    ['InvalidParameterException', GONE],
    ['AccessDeniedException', 'no'],
  ])('stays where the service refuses for another reason: %s, %s', async (name, message) => {
    await expect(detachLabel(refusing(name, message).deps, 'key-v1', 'one')).rejects.toMatchObject({
      code: 'AWS_REFUSED',
      message: expect.stringContaining(`did not accept UpdateSecretVersionStage on 'clinic': ${name}`) as string,
    });
  });

  test('is on no version of the ring any more', () => {
    const ring = ringLabels({ one: ['key-v1', 'other'], two: ['key-v2', 'AWSCURRENT'] });
    expect(withoutLabels(ring, ['key-v1', 'key-v9']).stages).toEqual({ one: ['other'], two: ['key-v2', 'AWSCURRENT'] });
  });
});

describe('records of retirements that are to be removed', () => {
  const day = (number: number) => `2026-01-${String(number).padStart(2, '0')}T00:00:00.000Z`;
  const tag = (number: number, date = day(number)) => ({
    Key: `pazpaz:retired:key-v${number}`,
    Value: `version-${number} ${date}`,
  });
  const from1To = (last: number) => Array.from({ length: last }, (_, index) => index + 1);
  const existing = (...all: readonly number[]) => new Set(all.map((number) => `version-${number}`));
  const numbersOf = (...args: Parameters<typeof outdatedRecords>) =>
    outdatedRecords(...args).map(({ number }) => number);

  test('are those whose version is gone', () => {
    expect(numbersOf([tag(1), tag(2), tag(3)], existing(2), [])).toEqual([1, 3]);
  });

  test('are none where all versions exist and there is room', () => {
    expect(
      numbersOf(
        from1To(19).map((number) => tag(number)),
        existing(...from1To(19)),
        [toKeyNumber(30)],
      ),
    ).toEqual([]);
  });

  test('are the oldest beyond twenty, by their dates', () => {
    const dates = new Map([
      [7, 1],
      [3, 2],
      [1, 25],
    ]);
    const tags = from1To(20).map((number) => tag(number, day(dates.get(number) ?? number + 3)));
    const added = [toKeyNumber(30), toKeyNumber(31)];
    expect(numbersOf(tags, existing(...from1To(20)), added)).toEqual([7, 3]);
  });

  test('are each named once, where versions are gone and there are more than twenty', () => {
    const tags = from1To(21).map((number) => tag(number));
    const left = from1To(21).filter((number) => number !== 1);
    expect(numbersOf(tags, existing(...left), [toKeyNumber(30)])).toEqual([1, 2]);
  });

  test('are never those of keys that are retired now', () => {
    expect(numbersOf([tag(1), tag(2)], existing(), [toKeyNumber(1)])).toEqual([2]);
  });

  test('are none on a secret without tags', () => {
    expect(outdatedRecords(undefined, existing(1), [])).toEqual([]);
  });
});
