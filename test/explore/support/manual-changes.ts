import type { OperationName } from '../../../src/local/service/perform.ts';
import { keyText } from './letters.ts';
import { SECRET_ARN } from './program.ts';
import { secretOf, type HandMade, type Operation, type World } from './world.ts';

const HAND_MADE: readonly Operation[] = ['put by hand', 'rollback by hand', 'cancel'] satisfies HandMade[];

export function isHandMade(operation: Operation): operation is HandMade {
  return HAND_MADE.includes(operation);
}

/** The call by which someone does something by hand. */
export function handMade(operation: HandMade, world: World): readonly [OperationName, object] {
  const secret = secretOf(world.service);
  const holder = (label: string) =>
    Object.keys(secret.versions).find((id) => secret.versions[id]?.stages.includes(label));
  switch (operation) {
    case 'put by hand':
      return [
        'PutSecretValue',
        { SecretId: SECRET_ARN, ClientRequestToken: 'by-hand'.padEnd(32, '-'), SecretString: keyText('w') },
      ];
    case 'rollback by hand': {
      const move = { MoveToVersionId: holder('AWSPREVIOUS'), RemoveFromVersionId: holder('AWSCURRENT') };
      return ['UpdateSecretVersionStage', { SecretId: SECRET_ARN, VersionStage: 'AWSCURRENT', ...move }];
    }
    case 'cancel':
      return ['CancelRotateSecret', { SecretId: SECRET_ARN }];
  }
}
