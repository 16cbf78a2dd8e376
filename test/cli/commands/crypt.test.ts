import { encryptField } from '../../../src/format/field.ts';
import { KeyMaterial } from '../../../src/format/key-material.ts';
import { toKeyNumber } from '../../../src/format/key-number.ts';
import { stopServices } from '../../local/support/running-service.ts';
import { current, keyOf, previous, ringWith } from '../../support/ring.ts';
import { giveCredentials, pazpazKeys, type Surroundings } from '../support/operator.ts';

// The SDK tries a throttled call again, after a pause.

beforeAll(giveCredentials);
afterEach(stopServices);

const CONTEXT = ['--context', 'patients:7:notes'];
const TEXT = 'Patient has diabetes';

const rowUnder = (place: number, number: number) =>
  encryptField(TEXT, KeyMaterial.fromBytes(keyOf(place)), 'patients:7:notes', { number: toKeyNumber(number) });

describe('encrypt and decrypt', () => {
  test('are each other’s way back, through the ring', async () => {
    const ring = await ringWith(previous(1), current(2));
    const { stdout: row, exitCode } = await pazpazKeys(ring, ['encrypt', ...CONTEXT], { stdin: TEXT });
    expect(exitCode).toBe(0);
    expect(Buffer.from(row, 'base64')[0]).toBe(2);
    expect(await pazpazKeys(ring, ['decrypt', ...CONTEXT], { stdin: row })).toEqual({
      exitCode: 0,
      stdout: `${TEXT}\n`,
      stderr: '',
    });
  });

  test.each<[string, (row: Buffer) => string]>([
    ['base64', (row) => row.toString('base64')],
    ['base64 in two lines', (row) => row.toString('base64').replace(/(.{20})/, '$1\n')],
    ['bytea as psql prints it', (row) => `\\x${row.toString('hex')}`],
  ])('decrypt takes %s', async (_, shown) => {
    const ring = await ringWith(previous(1), current(2));
    const { stdout } = await pazpazKeys(ring, ['decrypt', ...CONTEXT], { stdin: `${shown(rowUnder(1, 1))}\n` });
    expect(stdout).toBe(`${TEXT}\n`);
  });

  test('decrypt says which of four a failure is, and shows nothing of the row', async () => {
    const ring = await ringWith(previous(1), current(2));
    const row = rowUnder(1, 1).toString('base64');
    const { exitCode, stdout, stderr } = await pazpazKeys(ring, ['decrypt', '--context', 'patients:8:notes'], {
      stdin: row,
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('TAMPERED_OR_WRONG_CONTEXT');
    expect(stderr).not.toContain(row);
  });

  describe('a text with characters that a terminal would obey, or that show nothing', () => {
    // A colour of a terminal, one of its one-character commands, a mark of direction, and one beyond U+FFFF.
    const MARKED = 'a\u001b[31mb\u009bc\u202ed\u{e0001}e\nf';

    async function decrypted(text: string, around: Surroundings, ...args: readonly string[]) {
      const ring = await ringWith(current(1));
      const { stdout: stdin } = await pazpazKeys(ring, ['encrypt', ...CONTEXT], { stdin: text });
      return pazpazKeys(ring, ['decrypt', ...CONTEXT, ...args], { ...around, stdin });
    }

    test('is shown on a terminal without them, which is said on standard error', async () => {
      const { stdout, stderr, exitCode } = await decrypted(MARKED, { isOnTerminal: true });
      expect({ stdout, exitCode }).toEqual({ stdout: 'a?[31mb?c?d?e\nf\n', exitCode: 0 });
      expect(stderr).toContain('warning: The text has characters that control the terminal');
      expect(stderr).toContain("shown as '?'");
    });

    test('goes elsewhere as it is, and nothing is said', async () => {
      expect(await decrypted(MARKED, {})).toEqual({ stdout: `${MARKED}\n`, stderr: '', exitCode: 0 });
    });

    test('is in JSON as it is, in escapes, and nothing is warned of', async () => {
      const { stdout, stderr } = await decrypted(MARKED, { isOnTerminal: true }, '--json');
      expect(JSON.parse(stdout)).toMatchObject({ result: { plaintext: MARKED }, warnings: [] });
      expect(stdout).not.toMatch(/[^\n\P{Cc}]|\p{Cf}/u);
      expect(stdout).toContain('\\u001b[31mb\\u009bc\\u202ed\\udb40\\udc01e');
      expect(stderr).toBe('');
    });

    test('no other text is warned of', async () => {
      const around = { isOnTerminal: true };
      expect(await decrypted('שלום\nPatient', around)).toEqual({ stdout: 'שלום\nPatient\n', stderr: '', exitCode: 0 });
    });
  });

  test('encrypt refuses bytes that decrypt could not give back', async () => {
    const ring = await ringWith(current(1));
    const { exitCode, stdout, stderr } = await pazpazKeys(ring, ['encrypt'], { stdin: Buffer.of(0x61, 0xff, 0xfe) });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('INVALID_TEXT');
    expect((await pazpazKeys(ring, ['encrypt'], { stdin: Buffer.from('é€😀') })).exitCode).toBe(0);
  });

  test.each([['encrypt'], ['decrypt']])('%s says at a terminal where the value has to come from', async (name) => {
    const { exitCode, stderr } = await pazpazKeys(await ringWith(current(1)), [name], { answers: [] });
    expect(exitCode).toBe(2);
    expect(stderr.replace(/\s+/g, ' ')).toContain(`${name} < value.txt`);
  });

  test('encrypt refuses an empty standard input, which is hardly ever meant', async () => {
    const { exitCode, stdout, stderr } = await pazpazKeys(await ringWith(current(1)), ['encrypt'], { stdin: '' });
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('Standard input is empty');
  });

  test('never use the environment’s key', async () => {
    const ring = await ringWith();
    const environment = { ENCRYPTION_MASTER_KEY: keyOf(1).toString('base64') };
    const { exitCode, stderr } = await pazpazKeys(ring, ['encrypt'], { stdin: TEXT, environment });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('NO_CURRENT_KEY');
  });

  test.each([
    ['ThrottlingException', 3],
    ['InternalServiceError', 3],
    ['AccessDeniedException', 1],
  ])('end with what an answer of AWS deserves: %s', async (type, exitCode) => {
    const ring = await ringWith(previous(1), current(2));
    const stdin = rowUnder(1, 1).toString('base64');
    const ends = async (command: string, fault: object, code: string): Promise<void> => {
      ring.service.faults.set({ kind: 'error', type, message: 'no', ...fault });
      const ran = await pazpazKeys(ring, [command, ...CONTEXT], { stdin });
      expect(ran).toMatchObject({ exitCode, stdout: '', stderr: expect.stringContaining(code) as string });
      ring.service.faults.clear();
    };
    await ends('encrypt', { operation: 'DescribeSecret' }, 'AWS_REFUSED');
    await ends('decrypt', { versionId: ring.idOf(2) }, 'AWS_REFUSED');
    // The ring opens, and the key of the row is not to be had.
    await ends('decrypt', { versionId: ring.idOf(1) }, 'KEY_UNAVAILABLE');
  });

  test('end with 3 where AWS cannot be reached', async () => {
    const ring = await ringWith(current(1));
    ring.service.faults.set({ kind: 'drop' });
    expect(await pazpazKeys(ring, ['encrypt'], { stdin: TEXT })).toMatchObject({ exitCode: 3 });
  });

  test('end with 3 where AWS answers all but the key of the row', async () => {
    const ring = await ringWith(previous(1), current(2));
    ring.service.faults.set({ kind: 'drop', versionId: ring.idOf(1) });
    const ran = await pazpazKeys(ring, ['decrypt', ...CONTEXT], { stdin: rowUnder(1, 1).toString('base64') });
    expect(ran).toMatchObject({ exitCode: 3, stderr: expect.stringContaining('KEY_UNAVAILABLE') as string });
  });
});
