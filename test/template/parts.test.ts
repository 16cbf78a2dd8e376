import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { at, list } from './support/json.ts';
import { TEMPLATE } from './support/template-file.ts';

const PARTS = readdirSync('template').map((part) => ({ part, text: readFileSync(join('template', part), 'utf8') }));

test('template.yaml is what the parts build', async () => {
  await promisify(execFile)('node', ['build/template.mjs', '--check']);
});

test('which secret, key, topic and log group is meant is decided once, in the terms', () => {
  const choices =
    /!If\s*(\[|\n\s*- )(CreatesSecret|CreatesSecretsKey|CreatesTopic|CreatesTrail),?\s*(- )?(!Ref|!GetAtt)/;
  expect(PARTS.filter(({ text }) => choices.test(text)).map(({ part }) => part)).toEqual(['terms.yaml']);
});

test('no part lists what the schedule waits for: the build does', () => {
  const rotation = PARTS.find(({ part }) => part === 'rotation.yaml')?.text;
  expect(rotation).toMatch(/ {2}EverythingButTheSchedule:\n {4}Type: AWS::CloudFormation::WaitConditionHandle\n\n/);
  expect(list(at(TEMPLATE, 'Resources', 'EverythingButTheSchedule', 'DependsOn')).length).toBeGreaterThan(27);
});

test('every part fits on a few screens, the list of parameters excepted', () => {
  const lines = PARTS.map(({ part, text }) => [part, text.split('\n').length] as const);
  expect(lines.filter(([part, count]) => count > 180 && part !== 'parameters.yaml')).toEqual([]);
});
