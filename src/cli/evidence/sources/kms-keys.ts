import {
  DescribeKeyCommand,
  GetKeyRotationStatusCommand,
  ListGrantsCommand,
  ListKeyRotationsCommand,
  type KMSClient,
} from '@aws-sdk/client-kms';
import type { GrantFacts, KmsKeyFacts } from '../evidence.ts';
import type { UnseenList } from '../unseen.ts';

/** What is refused is listed as not seen. */
export async function kmsKeyFacts(
  client: Pick<KMSClient, 'send'>,
  keyId: string,
  unseen: UnseenList,
): Promise<KmsKeyFacts> {
  const see = <T>(what: string, operation: string, call: () => Promise<T>): Promise<T | undefined> =>
    unseen.ask('KMS', `${what} of the KMS key ${keyId}`, `kms:${operation}`, call);
  const described = await see('the state', 'DescribeKey', () => client.send(new DescribeKeyCommand({ KeyId: keyId })));
  const { KeyState: state, KeyManager: manager, Arn } = described?.KeyMetadata ?? {};
  // The other calls take no alias.
  const id = Arn ?? keyId;
  const status = await see('the yearly rotation', 'GetKeyRotationStatus', () =>
    client.send(new GetKeyRotationStatusCommand({ KeyId: id })),
  );
  const listed = await see('the rotations', 'ListKeyRotations', () =>
    client.send(new ListKeyRotationsCommand({ KeyId: id, Limit: 1000 })),
  );
  const grants = await see('the grants', 'ListGrants', () => grantsOf(client, id));
  const { KeyRotationEnabled: isRotated, RotationPeriodInDays: days, NextRotationDate: next } = status ?? {};
  return {
    keyId: id,
    ...(state === undefined ? {} : { state }),
    ...(manager === undefined ? {} : { manager }),
    ...(isRotated === undefined ? {} : { isRotated }),
    ...(days === undefined ? {} : { rotationDays: days }),
    ...(next === undefined ? {} : { nextRotation: next.toISOString() }),
    rotations: (listed?.Rotations ?? []).flatMap(({ RotationDate, RotationType = '' }) =>
      RotationDate === undefined ? [] : [{ at: RotationDate.toISOString(), type: RotationType }],
    ),
    ...(grants === undefined ? {} : { grants }),
  };
}

async function grantsOf(client: Pick<KMSClient, 'send'>, id: string): Promise<readonly GrantFacts[]> {
  const all: GrantFacts[] = [];
  let page: string | undefined;
  do {
    const { Grants = [], NextMarker } = await client.send(
      new ListGrantsCommand({ KeyId: id, ...(page === undefined ? {} : { Marker: page }) }),
    );
    for (const { GrantId = '', GranteePrincipal = '', Operations = [], CreationDate, Name } of Grants) {
      all.push({
        grantId: GrantId,
        grantee: GranteePrincipal,
        operations: Operations,
        ...(CreationDate === undefined ? {} : { created: CreationDate.toISOString() }),
        ...(Name === undefined ? {} : { name: Name }),
      });
    }
    page = NextMarker;
  } while (page !== undefined);
  return all;
}
