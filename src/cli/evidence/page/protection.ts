import type { Evidence, SettingFacts } from '../evidence.ts';
import { ACTIONS } from '../sources/access.ts';
import { html, type Html } from './html.ts';
import { table } from './table.ts';
import { day } from './words.ts';

const MET: Readonly<Record<SettingFacts['isMet'], Html>> = {
  yes: html`<span class="good">as recommended</span>`,
  no: html`<span class="wrong">not as recommended</span>`,
  unknown: html`not known`,
};

/** KMS keys, alarms, and settings beside the recommended ones. */
export function protectionSection({ settings, alarms, kmsKeys, keys, secret }: Evidence): Html {
  return html`<section>
    <h2>How the keys are protected</h2>
    ${table(
      ['Setting', 'Found', 'Recommended', '= Result'],
      settings.map(({ title, found, recommended, isMet }) => [title, found, recommended, MET[isMet]]),
    )}
    <h3>KMS keys that encrypt the secret</h3>
    ${
      kmsKeys.length === 0
        ? html`<p>
            ${keys.some(({ kmsKeyIds }) => kmsKeyIds.length > 0) ? 'Only the key that AWS keeps for Secrets Manager in each account.' : 'No KMS key was seen.'}
          </p>`
        : table(
            ['KMS key', '= State', 'Rotation of its material', 'Rotated on'],
            kmsKeys.map(({ keyId, state, isRotated, rotationDays, rotations }) => [
              html`<code>${keyId}</code>`,
              state ?? 'not seen',
              isRotated === undefined ? 'not seen' : isRotated ? `every ${rotationDays ?? 365} days` : 'off',
              rotations.map(({ at }) => day(at)).join(', ') || 'no date was seen',
            ]),
          )
    }
    <h3>Copies in other regions</h3>
    ${
      secret.replicas.length === 0
        ? html`<p>No copy was made.</p>`
        : table(
            ['Region', 'State'],
            secret.replicas.map(({ region, status }) => [region, status]),
          )
    }
    <h3>Alarms</h3>
    ${
      alarms.length === 0
        ? html`<p>No alarm was seen.</p>`
        : table(
            ['Alarm', '= State', '= Since', '= Notifies'],
            alarms.map(({ name, exists, state, since, notifies }) => [
              name,
              exists
                ? state === 'ALARM'
                  ? html`<span class="wrong">ALARM</span>`
                  : (state ?? 'not seen')
                : 'does not exist',
              since === undefined ? '' : day(since),
              notifies ? 'yes' : 'no',
            ]),
          )
    }
  </section>`;
}

/** A column for each principal would not fit on paper, so each has its calls in one cell. */
export function accessSection({ access, kmsKeys }: Evidence): Html {
  const { principals, policy } = access;
  return html`<section>
    <h2>Who may read or change the keys</h2>
    <p>
      IAM was asked about the role of the rotation function, the principals that the secret's policy names, and those
      that were named when this report was made. Their own policies are as IAM simulates them; the policy of the secret
      was evaluated with them. Others in the account may have rights, too.
    </p>
    ${
      principals.length === 0
        ? html`<p>No principal was known, so IAM was not asked.</p>`
        : table(
            ['Principal', 'May read keys', 'May change keys or their protection', 'Not known'],
            principals.map(({ arn, may, unknown }) => [
              html`<code>${arn}</code>`,
              may.includes(ACTIONS[0]) ? 'yes' : unknown.includes(ACTIONS[0]) ? 'not known' : 'no',
              names(may.filter((action) => action !== ACTIONS[0])),
              names(unknown),
            ]),
          )
    }
    ${principals.map(conditionsOf)}
    <h3>Grants of the KMS keys</h3>
    <p>
      A grant lets its holder use the KMS key, whatever the policy of the key says. It gives no right to the secret.
    </p>
    ${grantTable(kmsKeys)}
    ${policy === undefined ? html`<p>The secret has no policy, or it was not seen.</p>` : html`<p class="note">Policy of the secret: <code>${policy}</code></p>`}
  </section>`;
}

/** What calls depend on. Calls with one condition share a line. */
function conditionsOf({ arn, conditions = [] }: Evidence['access']['principals'][number]): Html {
  const texts = [...new Set(conditions.map(({ text }) => text))];
  return html`${texts.map((text) => {
    const actions = conditions.filter((one) => one.text === text).map(({ action }) => action);
    return html`<p class="note"><code>${arn}</code>, ${names(actions)}: ${text}</p>`;
  })}`;
}

function grantTable(kmsKeys: Evidence['kmsKeys']): Html {
  const isSeen = kmsKeys.length > 0 && kmsKeys.every(({ grants }) => grants !== undefined);
  const rows = kmsKeys.flatMap(({ keyId, grants = [] }) => grants.map((grant) => ({ keyId, ...grant })));
  if (rows.length === 0) return html`<p>${isSeen ? 'There is no grant.' : 'The grants were not seen.'}</p>`;
  return table(
    ['Holder', '= May decrypt', 'Calls', '= Since', 'KMS key'],
    rows.map(({ keyId, grantee, operations, created }) => [
      html`<code>${grantee}</code>`,
      operations.includes('Decrypt') ? 'yes' : 'no',
      operations.join(', '),
      created === undefined ? '' : day(created),
      html`<code>${keyId}</code>`,
    ]),
  );
}

function names(actions: readonly string[]): string {
  return actions.length === 0 ? 'none' : actions.map((action) => action.replace('secretsmanager:', '')).join(', ');
}
