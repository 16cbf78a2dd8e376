import { besides, losesMembers } from '../../src/postgres/stored-value.ts';

const CIPHERTEXT = `v1:${Buffer.alloc(40, 7).toString('base64')}`;
const ENVELOPE = { version: 'v1', ciphertext: CIPHERTEXT.slice(3), algorithm: 'AES-256-GCM' };

/** What an application keeps beside a ciphertext. */
const OTHER = 'a ciphertext of its own';

const json = JSON.stringify;
const asBase64 = (text: string) => Buffer.from(text).toString('base64');
const card = (ciphertext = CIPHERTEXT) => json({ data: ciphertext, ssn: OTHER });
const data = (value: string) => json({ kind: 'card', data: value });

it.each([
  ['JSON in text', 'text', card()],
  ['JSON in a member of jsonb', 'jsonb', data(card())],
  ['form (d) in a member of jsonb', 'jsonb', data(json({ ...ENVELOPE, ssn: OTHER }))],
  ['JSON in a member of an object in a string', 'jsonb', json(json({ data: card() }))],
  ['JSON in JSON in text', 'text', json({ data: json({ data: card() }) })],
  ['JSON in JSON in bytea', 'bytea', Buffer.from(json({ data: json({ data: card() }) }))],
  ['base64 of JSON in text', 'text', asBase64(card())],
  ['base64 of JSON behind blanks', 'text', asBase64(`${' '.repeat(100)}${card()}`)],
  ['base64 of JSON in lines', 'text', asBase64(` \n${card()}`).replaceAll(/(.{64})/g, '$1\n')],
  ['base64 of JSON in a string of jsonb', 'jsonb', json(asBase64(card()))],
  ['base64 of JSON in a member of jsonb', 'jsonb', data(asBase64(card()))],
  ['base64 of JSON in form (d)', 'jsonb', json({ ...ENVELOPE, ciphertext: asBase64(card()) })],
] as const)('members beside a ciphertext would be lost, and are looked at: %s', (_, storage, stored) => {
  expect(losesMembers(stored, storage, undefined)).toBe(true);
  const rest = besides(stored, storage, [undefined]);
  expect(rest).toContain(OTHER);
  expect(rest).not.toContain(CIPHERTEXT);
  expect(JSON.parse(rest)).not.toBeNull();
});

it.each([
  ['base64 in text', 'text', CIPHERTEXT.slice(3)],
  ['base64 that begins as that of a brace does', 'text', asBase64('{ no JSON')],
  ['form (e) in text', 'text', json({ data: CIPHERTEXT })],
  ['base64 of form (e)', 'text', asBase64(json({ data: CIPHERTEXT }))],
  ['form (d) in bytea', 'bytea', Buffer.from(json(ENVELOPE))],
  ['form (d) in a member of jsonb', 'jsonb', data(json(ENVELOPE))],
  ['a member of jsonb', 'jsonb', json({ data: CIPHERTEXT, ssn: OTHER })],
] as const)('nothing is lost with a ciphertext that is alone: %s', (_, storage, stored) => {
  expect(losesMembers(stored, storage, undefined)).toBe(false);
});

it('looks into the strings of each member that is counted', () => {
  const stored = json({ data: card(), other: asBase64(card()), third: card() });
  expect(losesMembers(stored, 'jsonb', 'other')).toBe(true);
  const rest = JSON.parse(besides(stored, 'jsonb', [undefined, 'other'])) as Record<string, string>;
  const ofMember = json({ data: '', ssn: OTHER });
  expect(rest).toEqual({ data: ofMember, other: ofMember, third: card() });
});

it('takes no name of a member for one of JSON that a string of jsonb has in base64', () => {
  const stored = json(asBase64(card()));
  expect(JSON.parse(besides(stored, 'jsonb', [undefined, 'ssn']))).toBe(json({ data: '', ssn: OTHER }));
  expect(losesMembers(stored, 'jsonb', 'ssn')).toBe(true);
});

it('looks at a Buffer that was written as JSON, which is no ciphertext to be replaced', () => {
  const stored = json(Buffer.from('a ciphertext'));
  expect(besides(stored, 'jsonb', [undefined])).toBe(stored);
});
