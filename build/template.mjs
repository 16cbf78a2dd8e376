import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { parseDocument, visit } from 'yaml';

/*
 * Makes template.yaml from the parts in template/. The parts are YAML with anchors, aliases and merge keys, which
 * CloudFormation does not accept: they are written out here. docs/adr/0014 says why. With --check nothing is written.
 */
const PARTS = [
  ...['head', 'terms', 'parameters', 'conditions'],
  ...['secret', 'function', 'rotation', 'adoption', 'policies', 'topic', 'notices', 'monitoring-notices'],
  ...['trail-metrics', 'ring-metrics', 'alarms', 'dashboard', 'trail', 'outputs'],
];
const NOTICE = ' Made by `npm run build:template` from the parts in template/. Edit the parts, not this file.';

/** @returns {Promise<string>} the text of template.yaml. */
async function template() {
  const parts = await Promise.all(PARTS.map((part) => readFile(join('template', `${part}.yaml`), 'utf8')));
  // One document: an anchor of one part is known to the parts after it.
  const document = parseDocument(parts.join('\n'), { uniqueKeys: false });
  if (document.errors.length > 0) throw new Error(document.errors.join('\n'));
  writeOut(document);
  document.contents = withoutTerms(joinSections(document.contents));
  lastButTheSchedule(document);
  document.commentBefore = NOTICE;
  const options = await resolveConfig('template.yaml');
  return format(document.toString({ lineWidth: 0 }), { ...options, parser: 'yaml' });
}

/** Puts the value in place of each alias and of each merge key. */
function writeOut(document) {
  visit(document, { Alias: (_, alias) => alias.resolve(document).clone() });
  visit(document, {
    Map: (_, map) => {
      map.items = map.items.flatMap((pair) =>
        pair.key.value === '<<' ? pair.value.items.filter(({ key }) => !statedIn(map, key.value)) : [pair],
      );
    },
  });
  visit(document, {
    Node: (_, node) => {
      delete node.anchor;
    },
  });
}

const statedIn = (map, name) => map.items.some(({ key }) => key.value === name);

/** Several parts have a section `Resources`: it becomes one. Throws where two parts use one name. */
function joinSections(contents) {
  const sections = new Map();
  for (const pair of contents.items) {
    const first = sections.get(pair.key.value);
    if (first === undefined) sections.set(pair.key.value, pair);
    else {
      const [{ key }] = pair.value.items;
      key.commentBefore = [pair.key.commentBefore, key.commentBefore].filter(Boolean).join('\n\n');
      key.spaceBefore = true;
      first.value.items.push(...pair.value.items);
    }
  }
  contents.items = [...sections.values()];
  visit(contents, {
    Map: (_, map) => {
      const twice = map.items.find((pair) => map.items.findLast(({ key }) => key.value === pair.key.value) !== pair);
      if (twice !== undefined) throw new Error(`template/ has ${twice.key.value} twice in one place`);
    },
  });
  return contents;
}

function withoutTerms(contents) {
  contents.delete('Terms');
  return contents;
}

/**
 * Makes EverythingButTheSchedule wait for every other resource. DependsOn knows no conditions, so a resource that has
 * one is referred to in Metadata, where a reference counts as a dependency as well.
 */
function lastButTheSchedule(document) {
  const resources = document.get('Resources');
  const others = resources.items.filter(({ key }) => !/^(EverythingButThe|Rotation)Schedule$/.test(key.value));
  const always = others.filter(({ value }) => !value.has('Condition')).map(({ key }) => key.value);
  const sometimes = others.filter(({ value }) => value.has('Condition'));
  const gathering = resources.get('EverythingButTheSchedule');
  gathering.set('DependsOn', document.createNode(always));
  const references = sometimes.map(({ key, value }) => {
    const choice = document.createNode([value.get('Condition'), key.value, ''], { flow: true });
    choice.tag = '!If';
    choice.items[1].tag = '!Ref';
    return choice;
  });
  const metadata = document.createNode({ AlsoDependsOn: [] });
  metadata.get('AlsoDependsOn').items = references;
  gathering.set('Metadata', metadata);
}

const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values;
const made = await template();
if (!check) await writeFile('template.yaml', made);
else if (made !== (await readFile('template.yaml', 'utf8'))) {
  console.error('template.yaml is not what template/ builds: run `npm run build:template`');
  process.exitCode = 1;
}
