// Tries the examples for CDK and Terraform: npm run test:infrastructure. It installs the CDK and HashiCorp's parser into a
// folder of its own. Terraform's provider for AWS is in no package registry, so `terraform validate` and `plan` are not
// run: the configuration is parsed, formatted, and its replacement in the template is evaluated.
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { parse } from 'yaml';
import { buildLambda } from '../../build/lambda.mjs';
import { zipOf } from '../../build/release/lambda-zip.mjs';

const run = promisify(execFile);
const ROOT = process.cwd();
const PACKAGES = ['aws-cdk-lib@2.276.0', 'constructs@10.8.1', '@cdktf/hcl2json@0.21.0'];
const ZIP = 'pazpaz-key-rotation.lambda.zip';
const LOCAL_CODE = '      CodeUri: .\n';

const folder = await mkdtemp(join(tmpdir(), 'pazpaz-infrastructure-'));
const at = (...names) => join(folder, ...names);
let failed = 0;
let passed = 0;
try {
  await writeFile(at('package.json'), '{ "name": "project", "private": true, "type": "module" }');
  await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...PACKAGES], { cwd: folder });
  await buildLambda(at('lambda'));
  await writeFile(at(ZIP), await zipOf(at('lambda')));
  await cp('template.yaml', at('template.yaml'));
  await check('the CDK example is valid TypeScript', typesOfCdk);
  await check('the CDK synthesises the template as it is, with the code of the zip', synthesis);
  await check('the Terraform example is HCL that names what CloudFormation needs', terraformParsed);
  await check('the Terraform example is formatted, and puts the code into the template', terraformEvaluated);
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;

async function check(name, work) {
  try {
    const note = await work();
    passed += 1;
    console.log(`ok    ${name}${note === undefined ? '' : `: ${note}`}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n${error.stack}\n${error.stdout ?? ''}`);
  }
}

async function typesOfCdk() {
  await cp(join('examples', 'cdk', 'key-ring.ts'), at('key-ring.ts'));
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess', '--skipLibCheck'];
  const target = ['--noEmit', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
  const types = ['--typeRoots', join(ROOT, 'node_modules', '@types')];
  await run(process.execPath, [compiler, ...strict, ...target, ...types, 'key-ring.ts'], { cwd: folder });
}

async function synthesis() {
  const outfile = at('key-ring.mjs');
  await build({ entryPoints: [at('key-ring.ts')], outfile, format: 'esm', target: 'node20' });
  const env = { ...process.env, CDK_OUTDIR: at('out'), JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION: '1' };
  const { stdout, stderr } = await run(process.execPath, [outfile], { cwd: folder, env });
  assert.doesNotMatch(stdout + stderr, /^ERROR/m);
  const made = JSON.parse(await readFile(at('out', 'PazPazKeyRing.template.json'), 'utf8'));
  const source = parse(await readFile('template.yaml', 'utf8'), { logLevel: 'silent' });
  const resources = { ...made.Resources };
  delete resources.CDKMetadata;
  assert.deepEqual(Object.keys(resources).sort(), Object.keys(source.Resources).sort());
  for (const [name, resource] of Object.entries(source.Resources)) {
    for (const member of ['Type', 'Condition', 'DeletionPolicy', 'UpdateReplacePolicy']) {
      assert.equal(resources[name][member], resource[member], `${name}.${member}`);
    }
  }
  assert.equal(made.Transform, source.Transform);
  const { Bucket, Key } = resources.KeyRotationFunction.Properties.CodeUri;
  assert.deepEqual(Bucket, { 'Fn::Sub': 'cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}' });
  assert.match(Key, /^[0-9a-f]{64}\.zip$/);
  return `${Object.keys(resources).length} resources`;
}

async function terraformParsed() {
  const { resource, terraform, output } = await configuration();
  const [stack] = resource.aws_cloudformation_stack.key_ring;
  // The template has named roles, and a macro: SAM's transform.
  assert.deepEqual(stack.capabilities, ['CAPABILITY_NAMED_IAM', 'CAPABILITY_AUTO_EXPAND']);
  assert.equal(resource.aws_s3_object.template[0].content, '${local.packaged}');
  assert.equal(terraform[0].required_providers[0].aws.source, 'hashicorp/aws');
  const outputs = Object.keys(parse(await readFile('template.yaml', 'utf8'), { logLevel: 'silent' }).Outputs);
  for (const [{ value }] of Object.values(output)) {
    assert.ok(outputs.includes(/outputs\["(\w+)"\]/.exec(value)?.[1]), value);
  }
}

/** The words of the configuration that need no provider, as Terraform evaluates them. */
async function terraformEvaluated() {
  if (spawnSync('terraform', ['version'], { stdio: 'ignore' }).status !== 0)
    return 'SKIPPED, there is no terraform here';
  await run('terraform', ['fmt', '-check', '-diff', join('examples', 'terraform')]);
  const { locals, variable } = await configuration();
  const text = JSON.stringify({ variable, locals })
    .replaceAll('${aws_s3_object.code.bucket}', 'releases')
    .replaceAll('${aws_s3_object.code.key}', 'code.zip')
    // In JSON, a type is its word alone.
    .replaceAll(/"type":"\$\{(.+?)\}"/g, '"type":"$1"');
  await mkdir(at('evaluated'));
  await writeFile(at('evaluated', 'main.tf.json'), text);
  await cp('template.yaml', at('evaluated', 'template.yaml'));
  const answer = spawnSync('terraform', ['console', '-var', 'bucket=releases'], {
    cwd: at('evaluated'),
    input: 'sha256(local.packaged)\n',
    encoding: 'utf8',
  });
  const source = await readFile('template.yaml', 'utf8');
  assert.equal(source.split(LOCAL_CODE).length, 2);
  const wanted = source.replace(LOCAL_CODE, '      CodeUri: s3://releases/code.zip\n');
  const digest = createHash('sha256').update(wanted).digest('hex');
  assert.equal(answer.stdout.trim(), `"${digest}"`, answer.stderr);
}

async function configuration() {
  const parser = createRequire(at('package.json'))('@cdktf/hcl2json');
  return parser.parse('main.tf', await readFile(join('examples', 'terraform', 'main.tf'), 'utf8'));
}
