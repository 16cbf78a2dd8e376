import { existsSync, readFileSync } from 'node:fs';
import { APPLICATION_EVENTS } from '../../src/keyring/application-log.ts';
import { LOG_EVENTS } from '../../src/secret/log-events.ts';
import { TAKE_OVER } from './support/deployments.ts';
import { at, isObject, list, object, spelled, text, type Json, type JsonObject } from './support/json.ts';
import { madeTable } from '../support/made-table.ts';
import { refusals } from './support/parameters.ts';
import { brokenRules, deploy } from './support/stack.ts';
import { TEMPLATE } from './support/template-file.ts';

const FILES = ['deploy.md', 'deploy-reference.md', 'deploy-special-cases.md', 'deploy-setup-guide.md'];
const PAGES = new Map(FILES.map((file) => [file, readFileSync(`docs/${file}`, 'utf8')]));
const PAGE = [...PAGES.values()].join('\n');
const PARAMETERS = Object.keys(object(TEMPLATE['Parameters']));
const RESOURCES = Object.keys(object(TEMPLATE['Resources']));
const OUTPUTS = Object.keys(object(TEMPLATE['Outputs']));
const stack = deploy();
/** With every alarm. */
const watched = deploy({ ApplicationLogGroupName: '/ecs/app' });
const ofType = (type: string) => [...stack.resources].filter(([, resource]) => resource.type === type);
const ALARMS = [...watched.resources.values()]
  .filter(({ type }) => type === 'AWS::CloudWatch::Alarm')
  .map(({ properties }) => properties);
const FILTERS = ofType('AWS::Logs::MetricFilter');

/** Names that are AWS's, and in no other place of the template than an event pattern or a policy. */
const OF_AWS = ['DescribeSecret', 'GetSecretValue', 'PutSecretValue', 'UpdateSecret', 'UpdateSecretVersionStage'];
const OTHERS_OF_AWS = [
  ...['AccessDenied', 'AdministratorAccess', 'AdvancedEventSelectors', 'All', 'EventSelectors', 'Management'],
  ...['Resource', 'RotationEnabled', 'ScheduleExpression', 'WriteOnly'],
];

/** What stands in code style in running text and tables. */
const codes = [...PAGE.replace(/```[^]*?```/g, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '');
const blocks = [...PAGE.matchAll(/^ *```(\w+)\n([^]*?)^ *```/gm)].map(([, language, body]) => ({ language, body }));

/** The rows of the table whose first column has this heading, as cells without their padding. */
function table(heading: string): readonly (readonly string[])[] {
  const lines = PAGE.split('\n');
  const first = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  const rest = lines.slice(first + 2);
  const rows = rest.slice(
    0,
    rest.findIndex((line) => !line.startsWith('|')),
  );
  return rows.map((row) =>
    row
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

const codesIn = (cell: string | undefined) => [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, code]) => code);

test('every name on the page is one of the template: a parameter, a resource, an output, an alarm, a metric, a setting', () => {
  const patterns = ofType('AWS::Events::Rule').map(([, { properties }]) => JSON.stringify(properties['EventPattern']));
  const known = new Set([
    ...Object.values(object(TEMPLATE['Parameters'])).map((parameter) => spelled(at(parameter, 'Default'))),
    ...[...PARAMETERS, ...RESOURCES, ...OUTPUTS, ...OF_AWS, ...OTHERS_OF_AWS, 'Text', 'DEBUG', 'INFO'],
    ...ALARMS.flatMap((alarm) => [text(alarm['AlarmName']), text(alarm['MetricName'])]),
    ...[...patterns.join().matchAll(/"([A-Z]\w+)"/g)].map(([, name]) => name),
  ]);
  const names = codes.filter((code) => /^[A-Z][a-z]+[A-Za-z]*$/.test(code.replace(/=.*/, '')));
  expect(names.length).toBeGreaterThan(100);
  expect(names.map((name) => name.replace(/=.*/, '')).filter((name) => !known.has(name))).toEqual([]);
});

test('every parameter that takes something over, or that someone has to decide on, is on the page', () => {
  const said = new Set(codes.map((code) => code.replace(/=.*/, '')));
  const groups = list(at(TEMPLATE, 'Metadata', 'AWS::CloudFormation::Interface', 'ParameterGroups'));
  const decided = groups
    .filter((group) => /Taking over|Names/.test(text(at(group, 'Label', 'default'))))
    .flatMap((group) => list(at(group, 'Parameters')).map(text));
  expect(decided.filter((name) => !said.has(name) && !PAGE.includes(`'${name}=`))).toEqual([]);
});

test('values of parameters on the page are accepted by the template, those of the takeover all at once', () => {
  const given = codes.flatMap((code) => [...code.matchAll(/^([A-Z]\w+)=(.*)$/g)]).filter(([, name]) => name !== 'NAME');
  expect(given.length).toBeGreaterThan(2);
  for (const [, name = '', value = ''] of given) {
    expect([name, refusals({ [name]: value.replaceAll('"', '') })]).toEqual([name, []]);
  }
  const toml = blocks.find(({ language }) => language === 'toml')?.body ?? '';
  const takeover = Object.fromEntries(
    [...toml.matchAll(/'(\w+)=(.*)'/g)].map(([, name = '', value = '']) => [name, value.replaceAll('"', '')]),
  );
  expect(Object.keys(takeover)).toEqual([
    ...Object.keys(TAKE_OVER).filter((name) => name !== 'FormerKmsKeyArn'),
    // Without defaults, as in the short path.
    ...['AlertEmail', 'TaskRoleName'],
  ]);
  expect([...refusals(takeover), ...brokenRules(takeover)]).toEqual([]);
});

test('the table of alarms is the template’s: names, metrics, thresholds, periods, and what missing data means', () => {
  const SIGN = new Map([
    ['GreaterThanThreshold', '>'],
    ['GreaterThanOrEqualToThreshold', '>='],
    ['LessThanThreshold', '<'],
    ['LessThanOrEqualToThreshold', '<='],
  ]);
  const expected = ALARMS.map((alarm) => [
    `\`${text(alarm['AlarmName'])}\``,
    `\`${text(alarm['MetricName'])}\` ${SIGN.get(text(alarm['ComparisonOperator']))} ${spelled(alarm['Threshold'])}`,
    `${spelled(alarm['Period'])} s`,
    alarm['TreatMissingData'] === 'breaching' ? '**fires**' : 'quiet',
  ]);
  expect(table('alarm').map((row) => row.slice(0, 4))).toEqual(expected);
});

test('the table of notices is the template’s: every rule that tells the topic, and its events', () => {
  const telling = ofType('AWS::Events::Rule').filter(([, { properties }]) =>
    JSON.stringify(properties['Targets']).includes('"AlertTopic"'),
  );
  expect(table('notice').map(([rule, events]) => [codesIn(rule), codesIn(events)])).toEqual(
    telling.map(([rule, { properties }]) => [[rule], eventNames(object(at(properties, 'EventPattern', 'detail')))]),
  );
});

/** The events of a pattern; of a name that ends with the date of an API version, what comes before it. */
function eventNames(detail: JsonObject): readonly string[] {
  if (detail['$or'] !== undefined) return list(detail['$or']).flatMap((one) => eventNames(object(one)));
  return list(detail['eventName']).map((name) => text(isObject(name) ? name['prefix'] : name));
}

test('the table of what stays names exactly what the template keeps', () => {
  const kept = Object.entries(object(TEMPLATE['Resources'])).filter(
    ([, raw]) => at(raw, 'DeletionPolicy') !== undefined,
  );
  expect(
    table('stays')
      .flatMap(([what]) => codesIn(what))
      .toSorted(),
  ).toEqual(kept.map(([logicalId]) => logicalId).toSorted());
});

test('the costs count what the stack makes, and their sum is right', () => {
  const rows = table('charge').slice(0, 7);
  const metrics = new Set(
    FILTERS.map(([, { properties }]) => text(at(list(properties['MetricTransformations'])[0], 'MetricName'))),
  );
  expect(rows.map(([charge]) => charge)).toEqual(
    expect.arrayContaining([
      `${ofType('AWS::KMS::Key').length} KMS keys`,
      `${ofType('AWS::CloudWatch::Alarm').length} alarms`,
      `${metrics.size} metrics`,
    ]),
  );
  const range = (cell = '') => [...cell.matchAll(/\d+\.\d\d/g)].map(Number);
  const cells = rows.map(([, , here]) => range(here));
  const sum = (pick: (numbers: number[]) => number | undefined) =>
    cells.slice(0, -1).reduce((total, numbers) => total + (pick(numbers) ?? 0), 0);
  expect(cells.at(-1)).toEqual(
    [sum((numbers) => numbers[0]), sum((numbers) => numbers.at(-1))].map((n) => +n.toFixed(2)),
  );
});

test('what the page says of defaults and limits is so', () => {
  expect(at(TEMPLATE, 'Parameters', 'CreateTrail', 'Default')).toBe('true');
  expect(at(TEMPLATE, 'Parameters', 'RotationDays', 'Default')).toBe('365');
  expect(text(at(TEMPLATE, 'Parameters', 'SecretName', 'AllowedPattern'))).toContain('{1,80}');
  expect(stack.property('AdoptionFailureDestination', 'MaximumRetryAttempts')).toBe(2);
  expect(stack.property('SecretsKey', 'PendingWindowInDays')).toBe(30);
  expect(stack.property('KeyRotationFunction', 'LoggingConfig', 'LogFormat')).toBe('Text');
  expect(text(stack.outputs['AdoptNowCommand'])).toContain('--cli-binary-format');
  expect(PAGE).toContain(`--stack-name ${/stack_name = "([^"]+)"/.exec(readFileSync('samconfig.toml', 'utf8'))?.[1]}`);
});

test('log lines on the page are ones that someone can write', () => {
  const events: readonly string[] = [...Object.keys(LOG_EVENTS), ...Object.keys(APPLICATION_EVENTS)];
  const lines = codes.filter((code) => /^[a-z]+(_[a-z]+)+$/.test(code));
  expect(lines.length).toBeGreaterThan(4);
  expect(lines.filter((line) => !events.includes(line))).toEqual([]);
});

test('files and links on the page exist', () => {
  const files = codes.filter((code) => /^(test|python|src|docs)\/\S+\.\w+$/.test(code));
  expect(files.filter((file) => !existsSync(file))).toEqual([]);
  const slug = (title: string) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  const anchors = (page: string) => [...page.matchAll(/^#+ (.*)$/gm)].map(([, title]) => slug(title ?? ''));
  for (const [from, page] of PAGES) {
    const links = [...page.matchAll(/\]\(([^)\s]*)\)/g)].map(([, link]) => (link ?? '').split('#'));
    expect(links.length).toBeGreaterThan(1);
    for (const [file = '', anchor] of links) {
      const target = readFileSync(`docs/${file === '' ? from : file}`, 'utf8');
      if (anchor !== undefined) expect([from, anchors(target)]).toEqual([from, expect.arrayContaining([anchor])]);
    }
  }
});

test('the short path fits on a screen or so, and begins with the first decision', () => {
  const short = PAGES.get('deploy.md') ?? '';
  expect(short.split('\n').length).toBeLessThan(80);
  expect(short).toMatch(/^# Deploying\n\n\*\*First decide: a new secret, or one that has data already\?\*\*/);
});

test('the page lists every parameter and every output, as the template describes them', () => {
  const described = (json: Json | undefined) => text(json).replace(/\|/g, '\\|').trim();
  const groups = list(at(TEMPLATE, 'Metadata', 'AWS::CloudFormation::Interface', 'ParameterGroups'));
  const parameters = groups.flatMap((group) =>
    list(at(group, 'Parameters')).map((name) => {
      const value = spelled(at(TEMPLATE, 'Parameters', text(name), 'Default'));
      const description = described(at(TEMPLATE, 'Parameters', text(name), 'Description'));
      return [
        text(at(group, 'Label', 'default')),
        `\`${text(name)}\``,
        value === '' ? 'empty' : `\`${value}\``,
        description,
      ];
    }),
  );
  const outputs = OUTPUTS.map((name) => [`\`${name}\``, described(at(TEMPLATE, 'Outputs', name, 'Description'))]);
  const tables = [
    madeTable('docs/deploy-reference.md', 'parameters', ['group', 'parameter', 'default', 'meaning'], parameters),
    madeTable('docs/deploy-reference.md', 'outputs', ['output', 'value'], outputs),
  ];
  for (const { found, expected } of tables) expect(found).toBe(expected);
});

test('both ways to deploy on the page read the same section of samconfig.toml, with parameters of the template', () => {
  const config = readFileSync('samconfig.toml', 'utf8');
  const deploys = blocks.flatMap(({ body = '' }) => [...body.matchAll(/sam deploy(.*)/g)].map(([, line = '']) => line));
  expect(deploys).toHaveLength(2);
  for (const line of deploys) {
    // A section of another environment would not have the parameters that people write below the usual one.
    expect(line).not.toContain('--config-env');
    const given = Object.fromEntries(
      [...line.matchAll(/(\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
    );
    expect(Object.keys(given)).toEqual(['AlertEmail', 'TaskRoleName']);
    expect([...refusals(given), ...brokenRules(given)]).toEqual([]);
  }
  expect(config.match(/^\[.*\.deploy\.parameters\]$/gm)).toEqual(['[default.deploy.parameters]']);
  expect(config).toContain('confirm_changeset = true');
  expect(deploys.map((line) => line.includes('--no-confirm-changeset --no-fail-on-empty-changeset'))).toEqual([
    false,
    true,
  ]);
});
