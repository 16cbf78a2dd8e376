import { createHash } from 'node:crypto';
import { nameOfColumn } from '../../../postgres/catalog/column-name.ts';
import { grouped } from '../../rows/census-screen.ts';
import { capitalized, dayCount } from '../../terminal/table.ts';
import { EVENTS, type Evidence, type HistoryEntry, type KeyFacts, type Remark } from '../evidence.ts';
import { EVIDENCE_FILE } from '../files.ts';
import { SIGNATURE_FILE } from '../sign.ts';
import { keysOnRing } from '../keys.ts';
import { rowsByKey, rowSums } from '../rows.ts';
import { currentKey } from '../verdict.ts';
import { html, Html } from './html.ts';
import { rowChart } from './row-chart.ts';
import { STYLE } from './style.ts';
import { legend, table } from './table.ts';
import { timeline } from './timeline.ts';
import { accessSection, protectionSection } from './protection.ts';
import { clock, day, dueDay, keyTitle, moment, stateWords } from './words.ts';

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** To the letter as its hash says, so no template may lay it out. */
const STYLE_ELEMENT = new Html(`<style>${STYLE}</style>`);

/** For a screen and for paper. It has no script and refers to nothing outside. `hash`: of its `evidence.json`. */
export function page(evidence: Evidence, hash: string): string {
  const { secret, madeAt } = evidence;
  const [, , , region = '', account = ''] = secret.arn.split(':');
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'"
        />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Encryption keys of ${secret.name}, ${day(madeAt)}</title>
        ${STYLE_ELEMENT}
      </head>
      <body>
        <header>
          <p>Report on encryption keys</p>
          <p>
            Secret in AWS Secrets Manager that holds the keys: <strong>${secret.name}</strong>, ${region}, AWS account
            ${account}. As of ${moment(madeAt)}.
          </p>
        </header>
        ${verdictBox(evidence)} ${factTiles(evidence)} ${keySection(evidence)} ${rowSection(evidence)}
        ${historySection(evidence)} ${protectionSection(evidence)} ${accessSection(evidence)} ${unseenSection(evidence)}
        ${proofSection(evidence, hash)}
      </body>
    </html> `.text;
}

function verdictBox({ verdict }: Evidence): Html {
  const { sentence, overdue, notices } = verdict;
  return html`<section class="${overdue.length === 0 ? 'verdict' : 'verdict overdue'}">
    <h1>${sentence}</h1>
    ${remarks('Overdue or wrong', overdue)} ${remarks('To know, not overdue', notices)}
  </section>`;
}

function remarks(title: string, all: readonly Remark[]): Html {
  if (all.length === 0) return html``;
  return html`<h3>${title}</h3>
    <ul>
      ${all.map(({ text }) => html`<li>${text}</li>`)}
    </ul>`;
}

function factTiles(evidence: Evidence): Html {
  const { secret, keys, rows } = evidence;
  const onRing = keysOnRing(keys);
  const since = keys.find(({ state }) => state === 'current')?.current.at(-1)?.from;
  const { isEnabled, primaryRegion, next, daysOverdue } = secret.rotation;
  const { all } = rowSums(rows, secret.currentNumber);
  const rotation =
    primaryRegion !== undefined
      ? ['a replica', `its primary in ${primaryRegion} rotates`]
      : !isEnabled
        ? ['off', 'no rotation is scheduled']
        : daysOverdue > 0
          ? [`${dayCount(daysOverdue)} late`, `the rotation that was due by ${dueDay(evidence)}`]
          : [next === undefined ? 'not dated' : day(next), 'next rotation due by'];
  return html`<section class="facts" aria-label="Facts">
    ${tile(capitalized(currentKey({ secret, keys })), `encrypts new data${since === undefined ? '' : `, since ${day(since)}`}`)}
    ${tile(String(onRing.length), `keys in the secret; room for ${secret.slots.free} more`)}
    ${tile(rotation[0] ?? '', rotation[1] ?? '')}
    ${rows.isCounted ? tile(grouped(all), 'rows counted') : tile('not counted', 'rows')}
  </section>`;
}

function tile(value: string, about: string): Html {
  return html`<div><b>${value}</b><span>${about}</span></div>`;
}

function keySection(evidence: Evidence): Html {
  const isEstimated = evidence.keys.some(({ current }) => current.some((period) => period.isEstimated));
  return html`<section>
    <h2>Which keys exist</h2>
    <p>
      Each key has a number. One key encrypts new data; the keys before it only decrypt what was written with them. A
      rotation adds a key. A key is retired when no stored row needs it.
    </p>
    ${evidence.keys.some(({ number }) => number !== undefined) ? timeline(evidence) : html`<p>No key has a number.</p>`}
    ${legend()}
    ${isEstimated ? html`<p class="note">Estimated: no record of the change was seen, so the dates on which the keys were made are used instead.</p>` : html``}
    ${table(['= Key', 'State and version', '= Made', 'Encrypted', '= Retired', '= Last read'], evidence.keys.map(keyCells))}
  </section>`;
}

function keyCells(key: KeyFacts): readonly (string | Html)[] {
  const { created, made, current, retired, lastUsed, versionId, otherNumbers = [] } = key;
  const periods = current.map(({ from, to, isEstimated }) => {
    const end = to === undefined ? (key.state === 'current' ? 'now' : 'not known') : day(to);
    return html`${isEstimated ? 'about ' : ''}${day(from)} <span class="whole">to ${end}</span>`;
  });
  return [
    html`<b>${keyTitle(key)}</b>${otherNumbers.map((number) => html`<br />also ${number}`)}`,
    html`${stateWords(key)}<br /><code class="id">${versionId}</code>`,
    made === undefined ? (created === undefined ? '' : day(created)) : html`${made}<br />copied ${day(created ?? '')}`,
    new Html(periods.map(({ text }) => text).join('<br>')),
    retired === undefined ? '' : day(retired),
    lastUsed === undefined ? '' : day(lastUsed),
  ];
}

function countedDatabase(counted: Extract<Evidence['rows'], { isCounted: true }>['database']): Html {
  if (counted === undefined) return html``;
  const { host, port, database, user, serverVersion, systemIdentifier, countedFrom, countedTo } = counted;
  const system = systemIdentifier === undefined ? '' : `, system ${systemIdentifier}`;
  return html`<p class="note">
    Database <code>${database}</code> on <code>${host}:${port}</code>, as user <code>${user}</code> (PostgreSQL
    ${serverVersion}${system}). Its snapshot was taken between ${clock(countedFrom)} and ${clock(countedTo)} by the
    clock of the database.
  </p>`;
}

function rowSection(evidence: Evidence): Html {
  const { rows, secret } = evidence;
  if (!rows.isCounted) {
    return html`<section>
      <h2>Rows by key</h2>
      <p>The rows were not counted: ${rows.why}</p>
    </section>`;
  }
  return html`<section>
    <h2>Rows by key</h2>
    <p>
      Every row was decrypted, in one snapshot of the database, to find the key that opens it. Rows of older keys stay
      readable as long as their key is in the secret.
    </p>
    ${countedDatabase(rows.database)} ${rowChart(evidence)}
    ${table(
      [
        'Table and column',
        'Owner',
        '# Rows',
        `# Under key ${secret.currentNumber}`,
        '# Under older keys',
        '# Empty',
        '# Not readable',
      ],
      rows.columns.map((column) => {
        const only = { ...rows, columns: [column] };
        const { older, unreadable } = rowSums(only, secret.currentNumber);
        const { relation, owner, nulls, empty } = column;
        const counts = [column.rows, rowsByKey(only).get(secret.currentNumber) ?? 0, older, nulls + empty, unreadable];
        return [nameOfColumn(relation, column), owner, ...counts.map(grouped)];
      }),
    )}
    ${rows.skipped.length === 0 ? html`` : html`<p class="note">Not looked at for further encrypted columns: ${rows.skipped.map(({ table: name, reason }) => `${name} (${reason})`).join(', ')}.</p>`}
  </section>`;
}

function historySection({ history, recordsFrom }: Evidence): Html {
  return html`<section>
    <h2>What happened</h2>
    <p>
      ${
        recordsFrom === undefined
          ? 'CloudTrail was not read, so this is what the secret itself shows.'
          : `CloudTrail was read from ${day(recordsFrom)} on; what happened before is as the secret itself shows it.`
      }
    </p>
    ${table(['= When (UTC)', 'What', '= Key', 'By whom', '= Source'], history.map(entryCells))}
  </section>`;
}

const SOURCES: Readonly<Record<HistoryEntry['source'], string>> = {
  versions: 'Secrets Manager',
  tags: 'tag of the secret',
  cloudtrail: 'CloudTrail',
  'function-log': "rotation function's log",
  kms: 'KMS',
};

function entryCells({ at, event, number, by, detail, source }: HistoryEntry): readonly (string | Html)[] {
  return [
    moment(at).replace(' UTC', ''),
    `${EVENTS[event]}${detail === undefined ? '' : `: ${detail}`}`,
    number === undefined ? '' : `Key ${number}`,
    by === undefined ? 'not recorded here' : html`<code>${by}</code>`,
    SOURCES[source],
  ];
}

function unseenSection({ unseen }: Evidence): Html {
  return html`<section>
    <h2>What could not be seen</h2>
    ${
      unseen.length === 0
        ? html`<p>Every question of this report was answered.</p>`
        : table(
            ['What', 'It needs', 'Why it was not seen'],
            unseen.map(({ what, needs, why }) => [what, html`<code>${needs}</code>`, why]),
          )
    }
  </section>`;
}

function proofSection({ previous, madeWith, signedWith }: Evidence, hash: string): Html {
  return html`<section>
    <h2>How to check this report</h2>
    <dl>
      <dt>Facts</dt>
      <dd><code>${EVIDENCE_FILE}</code>, which this page shows. Its SHA-256: <code>${hash}</code></dd>
      <dt>Report before</dt>
      <dd>
        ${
          previous === undefined
            ? 'none is named: this report begins a series'
            : html`of ${moment(previous.madeAt)}, SHA-256 <code>${previous.sha256}</code>;
                ${previous.signature === undefined ? 'it is not signed' : `its signature: ${previous.signature}`}`
        }
      </dd>
      <dt>Signature</dt>
      <dd>
        ${signedWith === undefined ? 'this report is not signed' : html`by the KMS key <code>${signedWith}</code>, in <code>${SIGNATURE_FILE}</code>`}
      </dd>
      <dt>Series</dt>
      <dd>
        A report names the one before it, not the one after it. Reports that were left out at the beginning or at the
        end of a series cannot be seen from the others: know the first and the last one from elsewhere.
      </dd>
      <dt>Check</dt>
      <dd>
        <code>pazpaz-keys evidence --verify FOLDER</code>, or <code>sha256sum -c evidence.sha256</code> in the folder
      </dd>
      <dt>Made with</dt>
      <dd>${madeWith}</dd>
    </dl>
    <p class="note">The report holds no key, no stored data and no name of a row.</p>
  </section>`;
}
