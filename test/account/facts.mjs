import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import * as sdk from '@aws-sdk/client-secrets-manager';

/*
 * What this project relies on of AWS Secrets Manager. A fact has a text, a source, and a check that makes secrets of its
 * own and throws where the service behaves otherwise. docs/aws-behaviour.md is made from this list.
 */

/** What a check may use: calls, and names that the clean-up knows. */
export class Account {
  #client;
  #prefix;
  #made = 0;
  /** Names of the secrets that were made, for the clean-up. */
  names = [];

  constructor(client, prefix) {
    this.#client = client;
    this.#prefix = prefix;
  }

  call(operation, input) {
    return this.#client.send(new sdk[`${operation}Command`](input));
  }

  /** A new secret, with a value or empty. @returns {Promise<string>} its name. */
  async secret(value) {
    const name = `${this.#prefix}/${(this.#made += 1)}`;
    this.names.push(name);
    await this.call('CreateSecret', { Name: name, ...(value === undefined ? {} : { SecretString: value }) });
    return name;
  }

  /** Puts a value. @returns {Promise<string>} its VersionId. */
  async put(name, value, stages) {
    const ClientRequestToken = randomUUID();
    const labels = stages === undefined ? {} : { VersionStages: stages };
    await this.call('PutSecretValue', { SecretId: name, SecretString: value, ClientRequestToken, ...labels });
    return ClientRequestToken;
  }

  /** Labels by VersionId, sorted, once they are as wanted: a description may be a few writes old. */
  async labels(name, isWanted = () => true) {
    for (let tries = 0; ; tries += 1) {
      const { VersionIdsToStages = {} } = await this.call('DescribeSecret', { SecretId: name });
      const labels = Object.fromEntries(Object.entries(VersionIdsToStages).map(([id, stages]) => [id, stages.sort()]));
      if (isWanted(labels) || tries === 20) return labels;
      await pause(500);
    }
  }

  /** The version with this label. */
  async holder(name, label) {
    return Object.entries(await this.labels(name)).find(([, stages]) => stages.includes(label))?.[0];
  }

  move(name, label, to, from) {
    const ids = {
      ...(to === undefined ? {} : { MoveToVersionId: to }),
      ...(from === undefined ? {} : { RemoveFromVersionId: from }),
    };
    return this.call('UpdateSecretVersionStage', { SecretId: name, VersionStage: label, ...ids });
  }

  async cleanUp() {
    for (const name of this.names) {
      await this.call('DeleteSecret', { SecretId: name, ForceDeleteWithoutRecovery: true }).catch(() => undefined);
    }
  }
}

function equal(found, expected) {
  const [one, other] = [found, expected].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`found ${one}, expected ${other}`);
}

async function refused(promise, type, words = '') {
  const outcome = await promise.then(
    () => 'no refusal',
    (error) => `${error.name}: ${error.message}`,
  );
  if (!outcome.startsWith(type) || !outcome.includes(words)) {
    throw new Error(`found ${outcome}, expected ${type}${words === '' ? '' : `: … ${words} …`}`);
  }
}

const API = (operation) => `API reference: ${operation}`;

export const FACTS = [
  {
    says: 'A secret can be created without a value. It then has no version, and `GetSecretValue` does not find `AWSCURRENT`.',
    source: API('CreateSecret'),
    check: async (account) => {
      const name = await account.secret();
      equal(await account.labels(name), {});
      await refused(account.call('GetSecretValue', { SecretId: name }), 'ResourceNotFoundException', 'AWSCURRENT');
    },
  },
  {
    says: 'A put without labels makes the new version `AWSCURRENT` and the one before it `AWSPREVIOUS`.',
    source: API('PutSecretValue'),
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      const second = await account.put(name, '2');
      const labels = await account.labels(name, (one) => one[second] !== undefined);
      equal([labels[first], labels[second]], [['AWSPREVIOUS'], ['AWSCURRENT']]);
    },
  },
  {
    says: 'A put under `AWSPENDING` leaves `AWSCURRENT` where it is.',
    source: API('PutSecretValue'),
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      const second = await account.put(name, '2', ['AWSPENDING']);
      const labels = await account.labels(name, (one) => one[second] !== undefined);
      equal([labels[first], labels[second]], [['AWSCURRENT'], ['AWSPENDING']]);
    },
  },
  {
    says: 'The first value of a secret becomes `AWSCURRENT` whatever labels it is put with.',
    source: API('PutSecretValue'),
    check: async (account) => {
      const name = await account.secret();
      const first = await account.put(name, '1', ['AWSPENDING']);
      equal((await account.labels(name, (one) => one[first] !== undefined))[first], ['AWSCURRENT', 'AWSPENDING']);
    },
  },
  {
    says: 'A put with the token and the value of an existing version succeeds and changes nothing.',
    source: API('PutSecretValue'),
    check: async (account) => {
      const name = await account.secret('1');
      const request = { SecretId: name, SecretString: '2', ClientRequestToken: randomUUID(), VersionStages: ['x'] };
      await account.call('PutSecretValue', request);
      await account.call('PutSecretValue', { ...request, VersionStages: ['AWSCURRENT'] });
      const labels = await account.labels(name, (one) => one[request.ClientRequestToken] !== undefined);
      equal(labels[request.ClientRequestToken], ['x']);
    },
  },
  {
    says: 'A put with the token of an existing version and another value is refused: a value never changes.',
    source: API('PutSecretValue'),
    check: async (account) => {
      const name = await account.secret('1');
      const request = { SecretId: name, SecretString: '2', ClientRequestToken: randomUUID() };
      await account.call('PutSecretValue', request);
      const other = account.call('PutSecretValue', { ...request, SecretString: '3' });
      await refused(other, 'ResourceExistsException', 'already in use');
    },
  },
  {
    says: 'Moving `AWSCURRENT` moves `AWSPREVIOUS` to the version that had it.',
    source: API('UpdateSecretVersionStage'),
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      const second = await account.put(name, '2', ['AWSPENDING']);
      await account.move(name, 'AWSCURRENT', second, first);
      const labels = await account.labels(name, (one) => one[second]?.includes('AWSCURRENT'));
      equal([labels[first], labels[second]], [['AWSPREVIOUS'], ['AWSCURRENT', 'AWSPENDING']]);
    },
  },
  {
    says: 'Moving a label that another version has is refused without `RemoveFromVersionId`.',
    source: API('UpdateSecretVersionStage'),
    check: async (account) => {
      const name = await account.secret('1');
      const second = await account.put(name, '2', ['x']);
      await refused(account.move(name, 'AWSCURRENT', second), 'InvalidParameterException', 'RemoveFromVersionId');
    },
  },
  {
    says: 'Moving a label is refused if `RemoveFromVersionId` names a version that does not have it.',
    source: API('UpdateSecretVersionStage'),
    check: async (account) => {
      const name = await account.secret('1');
      const second = await account.put(name, '2', ['x']);
      const third = await account.put(name, '3', ['y']);
      await refused(account.move(name, 'AWSCURRENT', third, second), 'InvalidParameterException');
    },
  },
  {
    says: 'Attaching a label to the version that has it succeeds and changes nothing.',
    source: 'public records of the service; the API reference is silent',
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      await account.move(name, 'key-v1', first);
      await account.move(name, 'key-v1', first);
      equal((await account.labels(name, (one) => one[first]?.length === 2))[first], ['AWSCURRENT', 'key-v1']);
    },
  },
  {
    says: '`AWSCURRENT` cannot be taken off without a new place.',
    source: 'public records of the service',
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      await refused(account.move(name, 'AWSCURRENT', undefined, first), 'InvalidParameterException');
    },
  },
  {
    says: 'A version with a label of our own stays in `DescribeSecret` when later puts move `AWSPREVIOUS` off it.',
    source: 'User guide, What is in a secret: versions without labels are deprecated',
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      await account.move(name, 'key-v1', first);
      await account.put(name, '2');
      const third = await account.put(name, '3');
      equal((await account.labels(name, (one) => one[third] !== undefined))[first], ['key-v1']);
    },
  },
  {
    says: 'A version without labels is not in `DescribeSecret`, is listed with `IncludeDeprecated`, and can still be read by its id.',
    source: API('ListSecretVersionIds'),
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      await account.put(name, '2');
      const third = await account.put(name, '3');
      equal((await account.labels(name, (one) => one[third] !== undefined))[first], undefined);
      const { Versions = [] } = await account.call('ListSecretVersionIds', { SecretId: name, IncludeDeprecated: true });
      equal(
        Versions.some(({ VersionId }) => VersionId === first),
        true,
      );
      equal((await account.call('GetSecretValue', { SecretId: name, VersionId: first })).SecretString, '1');
    },
  },
  {
    says: 'A secret can carry 20 staging labels. One more is refused.',
    source: 'User guide, Quotas: Staging labels attached across all versions',
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      for (let label = 1; label <= 19; label += 1) await account.move(name, `key-v${label}`, first);
      await refused(account.move(name, 'key-v20', first), 'LimitExceededException');
    },
  },
  {
    says: 'A value can have 65,536 bytes, and no more.',
    source: 'User guide, Quotas: Encrypted secret value',
    check: async (account) => {
      const name = await account.secret('1');
      await account.put(name, 'x'.repeat(65_536));
      await refused(account.put(name, 'x'.repeat(65_537)), 'ValidationException');
    },
  },
  {
    says: '32 bytes put as `SecretBinary` come back as they were.',
    source: API('GetSecretValue'),
    check: async (account) => {
      const name = await account.secret();
      const bytes = Uint8Array.from({ length: 32 }, (_, index) => index * 8);
      await account.call('PutSecretValue', { SecretId: name, SecretBinary: bytes, ClientRequestToken: randomUUID() });
      const { SecretBinary } = await account.call('GetSecretValue', { SecretId: name });
      equal([...(SecretBinary ?? [])], [...bytes]);
    },
  },
  {
    says: 'Tags of a description change with `TagResource` and `UntagResource`. After the last one is removed, `Tags` is an empty list.',
    source: 'API reference, TagResource; public records of the service',
    check: async (account) => {
      const name = await account.secret('1');
      await account.call('TagResource', { SecretId: name, Tags: [{ Key: 'pazpaz:retired:key-v1', Value: 'x' }] });
      await account.call('UntagResource', { SecretId: name, TagKeys: ['pazpaz:retired:key-v1', 'not there'] });
      equal((await account.call('DescribeSecret', { SecretId: name })).Tags, []);
    },
  },
  {
    says: 'Without a KMS key of its own, a secret is described without `KmsKeyId`.',
    source: API('DescribeSecret'),
    check: async (account) => {
      equal((await account.call('DescribeSecret', { SecretId: await account.secret('1') })).KmsKeyId, undefined);
    },
  },
  {
    says: '`RotateSecret` of a secret that never had a function is refused, and makes no version.',
    source: API('RotateSecret'),
    check: async (account) => {
      const name = await account.secret('1');
      const rotation = account.call('RotateSecret', { SecretId: name, ClientRequestToken: randomUUID() });
      await refused(rotation, 'InvalidRequestException', 'No Lambda rotation function ARN');
      equal(Object.keys(await account.labels(name)).length, 1);
    },
  },
  {
    says: 'A secret that waits for its deletion cannot be read. Restored, it has every label that it had.',
    source: API('RestoreSecret'),
    check: async (account) => {
      const name = await account.secret('1');
      const first = await account.holder(name, 'AWSCURRENT');
      await account.move(name, 'key-v1', first);
      await account.call('DeleteSecret', { SecretId: name, RecoveryWindowInDays: 7 });
      await refused(
        account.call('GetSecretValue', { SecretId: name }),
        'InvalidRequestException',
        'marked for deletion',
      );
      await account.call('RestoreSecret', { SecretId: name });
      equal((await account.labels(name))[first], ['AWSCURRENT', 'key-v1']);
      equal((await account.call('GetSecretValue', { SecretId: name })).SecretString, '1');
    },
  },
  {
    says: 'A name with a space is refused.',
    source: API('CreateSecret'),
    check: (account) =>
      refused(account.call('CreateSecret', { Name: 'a name', SecretString: '1' }), 'ValidationException'),
  },
  {
    says: 'A secret can be named by its ARN without the hyphen and six characters at the end.',
    source: 'User guide, Troubleshooting: partial ARN',
    check: async (account) => {
      const name = await account.secret('1');
      const { ARN = '' } = await account.call('DescribeSecret', { SecretId: name });
      equal((await account.call('GetSecretValue', { SecretId: ARN.slice(0, -7) })).SecretString, '1');
    },
  },
];

/** Runs every check. @returns {Promise<{number: number, says: string, difference?: string}[]>} */
export async function checkFacts(account, onChecked = () => undefined) {
  const results = [];
  for (const [index, { says, check }] of FACTS.entries()) {
    const difference = await check(account).then(
      () => undefined,
      (error) => error.message,
    );
    const result = { number: index + 1, says, ...(difference === undefined ? {} : { difference }) };
    results.push(result);
    onChecked(result);
  }
  return results;
}
