import { readCommandLine } from '../../src/local/command-line.ts';

function read(...args: string[]) {
  let output = '';
  try {
    return { settings: readCommandLine(['node', 'local', ...args], (text) => (output += text)), output };
  } catch (error) {
    return { error, output };
  }
}

describe('npm run local', () => {
  test('has a default for everything', () => {
    expect(read().settings).toMatchObject({
      port: 4566,
      host: '127.0.0.1',
      region: 'us-east-1',
      accountId: '123456789012',
      tries: 3,
      notices: true,
      behaviour: {},
    });
  });

  test('takes every setting', () => {
    const { settings } = read(
      ...['--port', '0', '--state', 's.json', '--no-notices', '--tries', '5', '--lambda-endpoint', 'http://h:3001'],
      ...['--behaviour', 'firstPendingValue=stays-pending', '--behaviour', 'unlabelledVersions=kept'],
    );
    expect(settings).toMatchObject({
      port: 0,
      state: 's.json',
      notices: false,
      tries: 5,
      lambdaEndpoint: 'http://h:3001',
      behaviour: { firstPendingValue: 'stays-pending', unlabelledVersions: 'kept' },
    });
  });

  test('sends notices, except to a function behind an address, and as it is asked to', () => {
    const elsewhere = ['--lambda-endpoint', 'http://h:3001'];
    expect(read().settings?.notices).toBe(true);
    expect(read('--no-notices').settings?.notices).toBe(false);
    expect(read(...elsewhere).settings?.notices).toBe(false);
    expect(read(...elsewhere, '--notices').settings?.notices).toBe(true);
  });

  test.each([
    [['--port', '70000'], 'whole number from 0 to 65535'],
    [['--port', 'x'], 'whole number'],
    [['--account-id', '1'], '12 digits'],
    [['--lambda-endpoint', 'ftp://x'], 'http'],
    [['--behaviour', 'gravity=off'], 'behaviours are'],
    [['--behaviour', 'unlabelledVersions=never'], 'unlabelledVersions is one of'],
    [['--behaviour', '__proto__=x'], 'behaviours are'],
    [['--prot', '1'], 'unknown option'],
    [['stray'], 'too many arguments'],
    [['--mid-rotation', '--state', 's.json'], 'cannot be used with'],
    [['--mid-rotation', '--lambda-endpoint', 'http://h:3001'], 'cannot be used with'],
  ])('refuses %j and says why', (args, why) => {
    const { error, output } = read(...args);
    expect(error).toMatchObject({ exitCode: 1 });
    expect(output).toContain(why);
  });

  test.each([[['--mid-rotation']], [['--env-vars', 'env.json', '--lambda-endpoint', 'http://h:3001']]])(
    'leaves the address open where containers are to use the service: %j',
    (args) => {
      expect(read(...args).settings).not.toHaveProperty('host');
      expect(read(...args, '--host', '127.0.0.1').settings).toMatchObject({ host: '127.0.0.1' });
    },
  );

  test('writes the events of a rotation into events, unless another folder is given', () => {
    expect(read('--mid-rotation').settings).toMatchObject({ midRotation: 'events' });
    expect(read('--mid-rotation', 'elsewhere').settings).toMatchObject({ midRotation: 'elsewhere' });
  });

  test('explains itself', () => {
    const { error, output } = read('--help');
    expect(error).toMatchObject({ exitCode: 0 });
    expect(output).toContain('npm run local -- --port 4566');
    expect(output).toContain('/_local/clock');
  });
});
