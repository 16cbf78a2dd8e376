import type { SecretSource } from '../../../src/keyring/source/secret-source.ts';
import type { RingWorld } from './ring-world.ts';

/** What the way to AWS may do to a call; a number: how many milliseconds it takes. */
export type Trouble =
  'none' | 'refuses' | 'hangs' | number | { readonly answers: unknown } | { readonly throws: unknown };

/** What no Secrets Manager would answer, nor any SDK throw. */
export const RUBBISH: readonly unknown[] = [
  undefined,
  null,
  7,
  'text',
  {},
  { ARN: 'arn', VersionIdsToStages: null },
  { ARN: 'arn', VersionIdsToStages: {} },
  { ARN: 'arn', VersionIdsToStages: { a: ['key-v9'] } },
  { ARN: 'arn', VersionIdsToStages: { a: 7 } },
  { ARN: 'arn', VersionIdsToStages: { a: [5, null] } },
  { VersionIdsToStages: {}, PrimaryRegion: 7, ARN: 7 },
  { SecretString: null },
  { SecretString: 7 },
  { SecretString: 'no key', VersionStages: 7 },
  { SecretBinary: 'text' },
  { ARN: 'arn', DeletedDate: new Date(0) },
];

/** The world's way to its service, with whatever trouble there is at the moment of a call. */
export function sourceInTrouble(world: RingWorld, now: () => Trouble): SecretSource {
  const source = world.source();
  const troubled = async <T>(call: () => Promise<T>): Promise<T> => {
    const trouble = now();
    if (trouble === 'hangs') return new Promise(() => undefined);
    if (trouble === 'refuses') {
      throw Object.assign(new Error('denied'), { name: 'AccessDeniedException', $fault: 'client' });
    }
    if (typeof trouble === 'number') {
      await new Promise<void>((resolve) => world.clock.schedule(resolve, trouble, true));
    }
    if (typeof trouble === 'object' && 'throws' in trouble) throw trouble.throws;
    if (typeof trouble === 'object') return trouble.answers as T;
    return call();
  };
  return {
    describe: (signal) => troubled(() => source.describe(signal)),
    read: (versionId, signal) => troubled(() => source.read(versionId, signal)),
    close: () => undefined,
  };
}
