import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StateFile, StateFileError } from '../../src/local/state-file.ts';
import type { ServiceState } from '../../src/local/service/state.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'state-'));
});
afterEach(() => rm(folder, { recursive: true }));

const STATE: ServiceState = {
  secrets: {
    'arn:1': {
      arn: 'arn:1',
      name: 'a',
      description: 'd',
      kmsKeyId: 'k',
      tags: [{ Key: 'x', Value: 'y' }],
      resourcePolicy: '{}',
      createdDate: 1,
      lastChangedDate: 2,
      lastAccessedDate: 0,
      deletion: { deletedDate: 3, deletesAt: 4 },
      rotation: {
        enabled: true,
        lambdaArn: 'l',
        rules: { AutomaticallyAfterDays: 365, Duration: '3h' },
        lastRotatedDate: 5,
        nextRotationDate: 6,
        underWay: { token: 't', kind: 'test', attempts: 1 },
      },
      versions: {
        v: { value: { kind: 'string', text: 'VALUE-CANARY' }, stages: ['AWSCURRENT'], createdDate: 1 },
        w: {
          value: { kind: 'binary', base64: 'AAE=' },
          stages: [],
          createdDate: 1,
          lastAccessedDate: 0,
          kmsKeyId: 'k',
        },
        t: { stages: ['AWSPENDING'], createdDate: 1 },
      },
    },
  },
};

describe('the state file', () => {
  test('gives back what was saved', async () => {
    const path = join(folder, 's.json');
    await new StateFile(path).save({ clockOffset: 7, state: STATE });
    expect(await new StateFile(path).load()).toEqual({ clockOffset: 7, state: STATE });
  });

  test('is nothing before the first save', async () => {
    expect(await new StateFile(join(folder, 's.json')).load()).toBeUndefined();
  });

  test('is for its owner alone, and leaves no second file', async () => {
    const path = join(folder, 's.json');
    await writeFile(path, '', { mode: 0o644 });
    await new StateFile(path).save({ clockOffset: 0, state: STATE });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(folder)).toEqual(['s.json']);
  });

  test('holds the last of many states that were saved at once', async () => {
    const path = join(folder, 's.json');
    const file = new StateFile(path);
    await Promise.all([1, 2, 3, 4].map((clockOffset) => file.save({ clockOffset, state: STATE })));
    expect(await file.load()).toMatchObject({ clockOffset: 4 });
  });

  test('says so when it cannot be written, and goes on when it can', async () => {
    const inner = join(folder, 'not-there');
    const file = new StateFile(join(inner, 's.json'));
    await expect(file.save({ clockOffset: 0, state: STATE })).rejects.toThrow('ENOENT');
    await rm(inner, { recursive: true, force: true });
    await expect(file.save({ clockOffset: 0, state: STATE })).rejects.toThrow('ENOENT');
  });

  test.each([
    ['cut off', (text: string) => text.slice(0, -20), 'not JSON'],
    ['foreign', () => '{"version":1}', 'no state file'],
    ['of another release', (text: string) => text.replace('"version":1', '"version":2'), 'version'],
    ["without a secret's name", (text: string) => text.replace('"name":"a"', '"name":5'), 'name is missing'],
    ['with a wrong value', (text: string) => text.replace('"kind":"binary"', '"kind":"VALUE-CANARY"'), 'kind'],
  ])('%s is refused with a clear error that holds no value', async (_what, damage, expected) => {
    const path = join(folder, 's.json');
    await new StateFile(path).save({ clockOffset: 0, state: STATE });
    await writeFile(path, damage(await readFile(path, 'utf8')));
    const error = await new StateFile(path).load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StateFileError);
    const { message } = error as StateFileError;
    expect(message).toContain(path);
    expect(message).toContain(expected);
    expect(message).not.toContain('CANARY');
  });
});
