import { setTimeout as pause } from 'node:timers/promises';
import type { CallFault } from './faults.ts';
import { ServiceError } from './service-error.ts';

/** A fault destroyed the connection: the caller gets no answer at all. */
export class ConnectionDropped extends Error {
  constructor() {
    super('A fault dropped the connection');
    this.name = 'ConnectionDropped';
  }
}

/**
 * Lets the faults happen, in their order.
 *
 * @param signal ends a delay early.
 * @throws {ServiceError} for an error or a throttle, {ConnectionDropped} for a drop.
 */
export async function suffer(faults: readonly CallFault[], signal: AbortSignal): Promise<void> {
  for (const fault of faults) {
    switch (fault.kind) {
      case 'delay':
        await pause(fault.milliseconds ?? 0, undefined, { signal }).catch(() => undefined);
        break;
      case 'drop':
        throw new ConnectionDropped();
      case 'throttle':
        throw new ServiceError('ThrottlingException', 'Rate exceeded');
      case 'error': {
        const type = fault.type ?? 'InternalServiceError';
        const status = fault.status ?? (type === 'InternalServiceError' ? 500 : 400);
        throw new ServiceError(type, fault.message ?? 'A fault that was set for this call', status);
      }
    }
  }
}

/** What a read answers that comes too early to see a fresh version; the words are the service's own. */
export function notSeenYet(versionId: string | undefined, versionStage: string): ServiceError {
  const what = versionId === undefined ? `staging label: ${versionStage}` : `VersionId: ${versionId}`;
  return new ServiceError(
    'ResourceNotFoundException',
    `Secrets Manager can't find the specified secret value for ${what}`,
  );
}
