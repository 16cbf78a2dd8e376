import licences from 'spdx-license-list/full.js';

/**
 * The licences of what is bundled, in full. A package that ships no licence file has its licence's standard text.
 *
 * @param {{ components?: readonly Component[] }} sbom in CycloneDX.
 * @typedef {{ group?: string, name: string, version: string, author?: string, licenses?: readonly Licence[],
 *   evidence?: { licenses?: readonly Licence[] } }} Component
 * @typedef {{ expression?: string, license?: { id?: string, name?: string, text?: { content: string, encoding?: string } } }} Licence
 */
export function notices({ components = [] }) {
  const titlesOf = new Map();
  for (const component of components) {
    const { group, name, version, author } = component;
    const declared = (component.licenses ?? []).map(idOf);
    if (declared.length === 0) throw new Error(`${name} ${version} declares no licence: it cannot be shipped`);
    const by = author === undefined ? '' : ` (${author})`;
    const title = `${group === undefined ? '' : `${group}/`}${name} ${version}${by}: ${declared.join(', ')}`;
    const text = textsOf(component).join('\n\n');
    titlesOf.set(text, [...(titlesOf.get(text) ?? []), title]);
  }
  const parts = [...titlesOf].map(([text, titles]) => [...titles, '', text].join('\n'));
  const head = 'This product includes code of the packages below, each under its own licence.';
  return `${[head, ...parts].join(`\n\n${'='.repeat(80)}\n`)}\n`;
}

function textsOf({ name, version, licenses = [], evidence }) {
  const own = (evidence?.licenses ?? []).flatMap(({ license }) => (license?.text === undefined ? [] : [license.text]));
  if (own.length > 0) return own.map(({ content, encoding }) => decoded(content, encoding).trim());
  return licenses.map((licence) => {
    const standard = licences[idOf(licence)]?.licenseText;
    if (standard === undefined) throw new Error(`${name} ${version}: there is no text of its licence ${idOf(licence)}`);
    return standard.trim();
  });
}

function idOf({ expression, license }) {
  return expression ?? license?.id ?? license?.name ?? '';
}

function decoded(content, encoding) {
  return encoding === 'base64' ? Buffer.from(content, 'base64').toString('utf8') : content;
}
