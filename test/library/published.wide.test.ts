import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { installPackage, packedPackage } from '../support/built.ts';

const run = promisify(execFile);
const ROOT = process.cwd();
const NAME = 'pazpaz-key-rotation';

describe('the package as it is published', () => {
  let project: string;
  let installed: string;
  beforeAll(async () => {
    project = mkdtempSync(join(tmpdir(), 'published-'));
    installed = await installPackage(project, ['@aws-sdk', '@smithy', '@types', 'undici-types']);
  });
  afterAll(() => {
    rmSync(project, { recursive: true });
  });

  async function errorsIn(files: readonly string[], ...others: readonly string[]): Promise<string> {
    const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      'node',
      ...others,
    ];
    const { stdout } = await run(process.execPath, [compiler, ...options, ...files], { cwd: project }).catch(
      (error: unknown) => error as { stdout: string },
    );
    return stdout;
  }

  test('its types hold in a strict program, an ES module or not', async () => {
    const files = ['program.mts', 'program.cts'];
    for (const file of files) {
      writeFileSync(
        join(project, file),
        `import { KeyRing, loadSettings, type KeyRingOptions, type Settings } from '${NAME}';
       import { startSecretsManager, type Fault, type TestSecretsManager } from '${NAME}/testing';
       export async function begin(fault: Fault): Promise<TestSecretsManager> {
         const aws = await startSecretsManager({ region: 'eu-west-1' });
         aws.setFault(fault);
         // @ts-expect-error a fault of no kind
         aws.setFault({ kind: 'earthquake' });
         return aws;
       }
       export async function use(settings: Settings = loadSettings(), options: KeyRingOptions = {}): Promise<string> {
         const ring = await KeyRing.open(settings, options);
         const row: Buffer = ring.encryptField('note');
         // @ts-expect-error a number is no text
         ring.encryptField(7);
         // @ts-expect-error an option that does not exist
         await KeyRing.open(settings, { ttl: 1 });
         return ring.decryptField(row);
       }`,
      );
    }
    expect(await errorsIn(files, '--skipLibCheck', 'false')).toBe('');
  });

  test('every example of docs/use.md compiles', async () => {
    const files = [...readFileSync('docs/use.md', 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(([, code = ''], index) => {
      const file = `example-${index}.mts`;
      writeFileSync(join(project, file), code);
      return file;
    });
    expect(files).toHaveLength(8);
    expect(await errorsIn(files, '--skipLibCheck')).toBe('');
  });

  test('publint and arethetypeswrong find nothing', async () => {
    const bin = (name: string) => join(ROOT, 'node_modules', '.bin', name);
    const lint = await run(bin('publint'), ['--strict', '--pack', 'false', installed]);
    expect(lint.stdout).toContain('All good!');
    const types = await run(bin('attw'), [join(await packedPackage(), 'package.tgz'), '--format', 'json']);
    expect(JSON.parse(types.stdout)).toHaveProperty('problems', {});
  });
});
