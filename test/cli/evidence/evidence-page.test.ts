import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Ajv from 'ajv';
import { page } from '../../../src/cli/evidence/page/page.ts';
import { EVIDENCE_SCHEMA } from '../../../src/cli/evidence/schema.ts';
import { CHROMIUM, inBrowser } from '../../support/chromium.ts';
import { sampleEvidence } from '../support/sample-evidence.ts';

const withBrowser = inBrowser('the page of evidence is not printed');

const HASH = 'b'.repeat(64);
const textOf = (html: string): string => html.replace(/<style>.*?<\/style>|<[^>]+>/gs, ' ').replace(/\s+/g, ' ');

test('the sample is a report', () => {
  const ajv = new Ajv();
  void ajv.validate(EVIDENCE_SCHEMA, sampleEvidence());
  expect(ajv.errors).toBeNull();
});

test('the page begins with the verdict and with what is overdue', () => {
  const text = textOf(page(sampleEvidence(), HASH));
  const [verdict, overdue, keys] = ['One thing is overdue', 'The rotation is 9 days late', 'Which keys exist'].map(
    (part) => text.indexOf(part),
  );
  expect(verdict).toBeGreaterThan(0);
  expect(overdue).toBeGreaterThan(verdict ?? 0);
  expect(keys).toBeGreaterThan(overdue ?? 0);
  expect(text).toContain('9 days late the rotation that was due by 2027-02-01');
  expect(text).toContain('rotation was due by 2027-02-01');
  expect(text).not.toContain('next rotation by');
});

test('the page says that nothing is overdue, where nothing is', () => {
  const fine = sampleEvidence({ unseen: [] }, { daysOverdue: 0, next: '2028-02-01T00:00:00.000Z' });
  expect(textOf(page(fine, HASH))).toContain('Nothing is overdue: key 7 encrypts new data, 5 keys decrypt');
});

test('the page shows each key, its rows, what happened and what was not seen', () => {
  const text = textOf(page(sampleEvidence(), HASH));
  for (const part of [
    ...['Key 1', 'retired, and deleted by AWS', 'about 2020-02-01 to 2021-02-01', '2026-02-01 to now'],
    ...['1,075,600 rows', 'clinic.patients.notes', 'a key was retired', 'assumed-role/PazPazKeyRotation'],
    ...['cloudtrail:LookupEvents', HASH, 'a'.repeat(64)],
  ])
    expect(text).toContain(part);
});

test('the page has no script, loads nothing, and escapes what comes from elsewhere', () => {
  const sample = sampleEvidence();
  const name = `<script src="https://example.com/x.js">alert(1)</script>'"&`;
  const written = page({ ...sample, secret: { ...sample.secret, name } }, HASH);
  expect(written).toContain("default-src 'none'");
  expect(written).not.toMatch(/<script|<link|<img|<iframe|\bsrc="|href=|url\(|@import| on\w+="| style="/i);
  expect(written).toContain('&lt;script src=&quot;https://example.com/x.js&quot;&gt;');
});

test('names of the database, of roles, tags and copies are escaped wherever they are shown', () => {
  const sample = sampleEvidence();
  const name = `"><svg onload='x'>\u202e\u001b[31m`;
  const named = JSON.parse(
    JSON.stringify(sample, (key, value: unknown) =>
      typeof value === 'string' &&
      !/^(state|source|event|format|isMet|code|status)$/.test(key) &&
      !/^\d{4}-/.test(value)
        ? name
        : value,
    ),
  ) as typeof sample;
  const written = page(named, HASH);
  expect(written).not.toMatch(/onload='|\u202e/);
  expect(written).not.toContain('\u001b');
  expect(written.match(/<svg(?! viewBox="0 0 \d+ \d+")/g)).toBeNull();
});

test('an empty ring makes a page, too', () => {
  const sample = sampleEvidence({ keys: [], history: [], rows: { isCounted: false, isAsked: false, why: 'no' } });
  expect(textOf(page(sample, HASH))).toContain('No key has a number.');
});

/** The page printed by a browser: the pages of the PDF, and what the browser complained about. */
async function printed(html: string): Promise<{ readonly pages: number; readonly complaints: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'page-'));
  try {
    const [file, pdf] = [join(folder, 'page.html'), join(folder, 'page.pdf')];
    await writeFile(file, html);
    const { stderr } = await promisify(execFile)(CHROMIUM ?? '', [
      ...['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync', '--enable-logging=stderr'],
      ...[
        '--disable-background-networking',
        '--disable-component-update',
        `--user-data-dir=${join(folder, 'profile')}`,
      ],
      ...['--no-pdf-header-footer', `--print-to-pdf=${pdf}`, `file://${file}`],
    ]);
    const bytes = await readFile(pdf, 'latin1');
    const complaints = stderr.split('\n').filter((line) => line.includes('CONSOLE'));
    return { pages: bytes.match(/\/Type \/Page\b(?!s)/g)?.length ?? 0, complaints: complaints.join('\n') };
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

withBrowser('a browser prints the page on a few sheets, with its style, and has nothing against it', async () => {
  const html = page(sampleEvidence(), HASH);
  const { pages, complaints } = await printed(html);
  expect(complaints).toBe('');
  expect(pages).toBeGreaterThan(0);
  expect(pages).toBeLessThanOrEqual(4);
  // Any other style is refused, so the complaint above would have been seen.
  const { complaints: refused } = await printed(html.replace('<style>', '<style>/* changed */'));
  expect(refused).toContain('Content Security Policy');
});
