import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
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
      hadTags: true,
      resourcePolicy: '{}',
      replicas: [
        { region: 'eu-west-1', kmsKeyId: 'k', status: 'InSync', lastAccessedDate: 0 },
        { region: 'eu-west-2', status: 'Failed', statusMessage: 'taken' },
      ],
      createdDate: 1,
      lastChangedDate: 2,
      lastAccessedDate: 0,
      deletion: { deletedDate: 3, deletesAt: 4 },
      rotation: {
        enabled: true,
        lambdaArn: 'l',
        rules: { AutomaticallyAfterDays: 365, ScheduleExpression: 'rate(365 days)', Duration: '3h' },
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

const opened: StateFile[] = [];
afterEach(async () => {
  for (const file of opened.splice(0)) await file.close();
});

async function open(path: string): Promise<StateFile> {
  const file = await StateFile.open(path);
  opened.push(file);
  return file;
}

async function reopened(path: string): Promise<StateFile> {
  await opened.pop()?.close();
  return open(path);
}

describe('the state file', () => {
  test('gives back what was saved', async () => {
    const path = join(folder, 's.json');
    await (await open(path)).save({ clockOffset: 7, state: STATE });
    expect(await (await reopened(path)).load()).toEqual({ clockOffset: 7, state: STATE });
  });

  test('is refused where two secrets have one name', async () => {
    const path = join(folder, 's.json');
    const secret = STATE.secrets['arn:1'];
    const twice = Object.fromEntries(
      ['arn:1', 'arn:2'].map((arn) => [arn, { ...secret, arn }]),
    ) as typeof STATE.secrets;
    await (await open(path)).save({ clockOffset: 0, state: { secrets: twice } });
    await expect((await reopened(path)).load()).rejects.toThrow('has the name of another one');
  });

  test('is nothing before the first save', async () => {
    expect(await (await open(join(folder, 's.json'))).load()).toBeUndefined();
  });

  test('is for its owner alone, and leaves no second file', async () => {
    const path = join(folder, 's.json');
    await writeFile(path, '', { mode: 0o644 });
    const file = await open(path);
    await file.save({ clockOffset: 0, state: STATE });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await file.close();
    opened.pop();
    expect(await readdir(folder)).toEqual(['s.json']);
  });

  test('holds the last of many states that were saved at once', async () => {
    const file = await open(join(folder, 's.json'));
    await Promise.all([1, 2, 3, 4].map((clockOffset) => file.save({ clockOffset, state: STATE })));
    expect(await file.load()).toMatchObject({ clockOffset: 4 });
  });

  test('reports a write that fails, and works again when it can be written', async () => {
    const inner = join(folder, 'inner');
    await mkdir(inner);
    const file = await open(join(inner, 's.json'));
    await rename(inner, join(folder, 'away'));
    await expect(file.save({ clockOffset: 0, state: STATE })).rejects.toThrow('ENOENT');
    await rename(join(folder, 'away'), inner);
    await file.save({ clockOffset: 1, state: STATE });
    expect(await file.load()).toMatchObject({ clockOffset: 1 });
  });

  test('removes what a killed process left of its last write, and nothing else', async () => {
    const path = join(folder, 's.json');
    await writeFile(`${path}.unfinished`, 'VALUE-CANARY', { mode: 0o644 });
    await writeFile(`${path}.20260101`, 'a backup');
    await open(path);
    expect((await readdir(folder)).sort()).toEqual(['s.json.20260101', 's.json.lock']);
  });

  test.each([
    ['a directory', (path: string) => mkdir(path)],
    ['a pipe', (path: string) => promisify(execFile)('mkfifo', [path])],
    ['a device', (path: string) => symlink('/dev/zero', path)],
  ])('that is %s is refused at once, and left alone', async (_what, make) => {
    const path = join(folder, 's.json');
    await make(path);
    const before = await lstat(path);
    await expect(StateFile.open(path)).rejects.toThrow('it is not a regular file');
    expect((await lstat(path)).ino).toBe(before.ino);
  });

  test('in a folder that does not exist, or in a file, is refused at once', async () => {
    await expect(StateFile.open(join(folder, 'not-there', 's.json'))).rejects.toThrow(StateFileError);
    await writeFile(join(folder, 'file'), '');
    await expect(StateFile.open(join(folder, 'file', 's.json'))).rejects.toThrow('Name a file in a folder that exists');
  });
});

describe('the lock of the state file', () => {
  test('keeps every other process out until it is released', async () => {
    const path = join(folder, 's.json');
    await open(path);
    await expect(StateFile.open(path)).rejects.toThrow('another process uses it. Stop that process');
    await reopened(path);
  });

  test('knows a file under another name', async () => {
    const path = join(folder, 's.json');
    await writeFile(path, '');
    await symlink(path, join(folder, 'link.json'));
    await open(path);
    await expect(StateFile.open(join(folder, 'link.json'))).rejects.toThrow('another process uses it');
    await expect(StateFile.open(relative(process.cwd(), path))).rejects.toThrow('another process uses it');
  });

  test('works for a path that is too long for a socket', async () => {
    const deep = join(folder, 'x'.repeat(120));
    await mkdir(deep);
    const path = join(deep, 's.json');
    await open(path);
    await expect(StateFile.open(path)).rejects.toThrow('another process uses it');
  });
});

describe('a state file that is damaged', () => {
  test.each([
    ['cut off', (text: string) => text.slice(0, -20), 'not JSON'],
    ['foreign', () => '{"version":1}', 'not a state file'],
    ['of another release', (text: string) => text.replace('"version":1', '"version":2'), 'version'],
    ["without a secret's name", (text: string) => text.replace('"name":"a"', '"name":5'), 'name is missing'],
    ['with an unknown member', (text: string) => text.replace('"tags"', '"owner":"CANARY","tags"'), "a member 'owner'"],
    ['with one in a version', (text: string) => text.replace('"stages"', '"__proto__":1,"stages"'), "'__proto__'"],
    ['with an endless clock', (text: string) => text.replace('"clockOffset":0', '"clockOffset":1e999'), 'clockOffset'],
    ['with a clock of no date', (text: string) => text.replace('"clockOffset":0', '"clockOffset":9e99'), 'clockOffset'],
    ['with a date of no year', (text: string) => text.replace('"createdDate":1', '"createdDate":9e99'), 'createdDate'],
    ['with a date before 1970', (text: string) => text.replace('ionDate":6', 'ionDate":-6'), 'nextRotationDate'],
    ['with a label on two versions', (text: string) => text.replace('"AWSPENDING"', '"AWSCURRENT"'), 'two versions'],
    ['with another ARN', (text: string) => text.replace('"arn":"arn:1"', '"arn":"arn:2"'), 'another ARN'],
    ['with a replica of no status', (text: string) => text.replace('"InSync"', '"CANARY"'), 'status is missing'],
    ['with a wrong value', (text: string) => text.replace('"kind":"binary"', '"kind":"VALUE-CANARY"'), 'kind'],
  ])('%s is refused with a clear error that holds no value', async (_what, damage, expected) => {
    const path = join(folder, 's.json');
    const file = await open(path);
    await file.save({ clockOffset: 0, state: STATE });
    await writeFile(path, damage(await readFile(path, 'utf8')));
    const error = await file.load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(StateFileError);
    const { message } = error as StateFileError;
    expect(message).toContain(path);
    expect(message).toContain(expected);
    expect(message).not.toContain('CANARY');
  });
});
