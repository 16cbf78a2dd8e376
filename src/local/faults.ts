import { setTimeout as pause } from 'node:timers/promises';
import { isJsonObject, stringMember, type JsonObject } from './json.ts';
import { isOperationName } from './service/perform.ts';
import { ServiceError } from './service/service-error.ts';

export type Fault = CallFault | FreshVersionFault;

export interface CallFault extends Effect {
  /** Absent: any operation. */
  readonly operation?: string;
  /** Name or ARN; absent: any secret. */
  readonly secretId?: string;
  /** A version that the call names or reads by its stage, or the token of a put; absent: any. */
  readonly versionId?: string;
  /** Which matching call since the fault was set, from 1. Absent: every one. */
  readonly nth?: number;
  /** `before` (default): the call has no effect. `after`: it has, then the answer is lost. */
  readonly when?: 'before' | 'after';
}

interface Effect {
  /** `throttle` answers `ThrottlingException`; `drop` destroys the connection. */
  readonly kind: 'error' | 'throttle' | 'delay' | 'drop';
  /** For `error`; default `InternalServiceError`. */
  readonly type?: string;
  /** For `error`. */
  readonly message?: string;
  /** For `error`; default 500 for `InternalServiceError`, else 400. */
  readonly status?: number;
  /** For `delay`, in real time. */
  readonly milliseconds?: number;
}

/** The first reads of a new version do not see it, as reported of the real service. */
export interface FreshVersionFault {
  readonly kind: 'fresh-version-not-seen';
  readonly reads: number | 'for-ever';
}

export interface FaultTarget {
  readonly operation: string;
  /** Every name of the secret. */
  readonly secretIds: readonly string[];
  readonly versionIds: readonly string[];
}

export class Faults {
  #calls: { readonly fault: CallFault; seen: number }[] = [];
  #freshReads: FreshVersionFault['reads'] | undefined;
  readonly #unseen = new Map<string, number>();

  set(fault: Fault): void {
    if (fault.kind === 'fresh-version-not-seen') this.#freshReads = fault.reads;
    else this.#calls.push({ fault, seen: 0 });
  }

  clear(): void {
    this.#calls = [];
    this.#freshReads = undefined;
    this.#unseen.clear();
  }

  /** Counts the call, and returns its faults in the order in which they were set. */
  matching(target: FaultTarget): readonly CallFault[] {
    const matching: CallFault[] = [];
    for (const entry of this.#calls) {
      if (!matches(entry.fault, target)) continue;
      entry.seen += 1;
      if (entry.fault.nth === undefined || entry.fault.nth === entry.seen) matching.push(entry.fault);
    }
    return matching;
  }

  valuePut(versionId: string): void {
    if (this.#freshReads === undefined) return;
    this.#unseen.set(versionId, this.#freshReads === 'for-ever' ? Infinity : this.#freshReads);
  }

  /** Whether this read comes too early to see the version. Counts it. */
  isUnseen(versionId: string): boolean {
    const left = this.#unseen.get(versionId) ?? 0;
    if (left <= 0) return false;
    this.#unseen.set(versionId, left - 1);
    return true;
  }
}

function matches(fault: CallFault, target: FaultTarget): boolean {
  return (
    (fault.operation === undefined || fault.operation === target.operation) &&
    (fault.secretId === undefined || target.secretIds.includes(fault.secretId)) &&
    (fault.versionId === undefined || target.versionIds.includes(fault.versionId))
  );
}

const KINDS = ['error', 'throttle', 'delay', 'drop'] as const;
const TEXT_MEMBERS = ['operation', 'secretId', 'versionId', 'type', 'message'] as const;
const NUMBER_MEMBERS = ['nth', 'status', 'milliseconds'] as const;
const COMMON_MEMBERS = ['kind', 'when', 'operation', 'secretId', 'versionId', 'nth'];
const OWN_MEMBERS: Readonly<Record<CallFault['kind'], readonly string[]>> = {
  error: ['type', 'message', 'status'],
  delay: ['milliseconds'],
  throttle: [],
  drop: [],
};
/** Node's timers fire at once for a longer time. */
const LONGEST_DELAY = 2 ** 31 - 1;

/** Throws `RangeError`, also for a fault that could never occur: a test would take that for a success. */
export function parseFault(value: unknown): Fault {
  if (!isJsonObject(value)) throw new RangeError('A fault is a JSON object');
  if (value['kind'] === 'fresh-version-not-seen') {
    const reads = value['reads'];
    refuseOtherMembers(value, ['kind', 'reads']);
    if (reads !== 'for-ever' && !isCount(reads)) throw new RangeError("reads must be a whole number or 'for-ever'");
    return { kind: 'fresh-version-not-seen', reads };
  }
  const kind = KINDS.find((known) => known === value['kind']);
  if (kind === undefined) throw new RangeError(`kind must be one of ${KINDS.join(', ')}, fresh-version-not-seen`);
  refuseOtherMembers(value, [...COMMON_MEMBERS, ...OWN_MEMBERS[kind]]);
  const when = value['when'] ?? 'before';
  if (when !== 'before' && when !== 'after') throw new RangeError("when must be 'before' or 'after'");
  const members: Record<string, string | number> = {};
  for (const name of TEXT_MEMBERS) {
    const text = stringMember(value, name);
    if (text !== undefined) members[name] = text;
    else if (value[name] !== undefined) throw new RangeError(`${name} must be a string`);
  }
  for (const name of NUMBER_MEMBERS) {
    const count = value[name];
    if (isCount(count)) members[name] = count;
    else if (count !== undefined) throw new RangeError(`${name} must be a whole number`);
  }
  if (members['nth'] === 0) throw new RangeError('nth counts from 1');
  const { operation, status, type, milliseconds } = members;
  if (typeof operation === 'string' && !isOperationName(operation)) {
    throw new RangeError(`Secrets Manager has no operation ${operation}`);
  }
  if (typeof status === 'number' && (status < 400 || status > 599)) throw new RangeError('status must be 400 to 599');
  if (type === '') throw new RangeError('type must not be empty');
  if (kind === 'delay' && !(typeof milliseconds === 'number' && milliseconds <= LONGEST_DELAY)) {
    throw new RangeError(`milliseconds must be a whole number up to ${LONGEST_DELAY}`);
  }
  return { ...members, kind, when };
}

function refuseOtherMembers(fault: JsonObject, known: readonly string[]): void {
  const unknown = Object.keys(fault).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new RangeError(`a fault of this kind has no member ${unknown}`);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The caller gets no answer at all. */
export class ConnectionDropped extends Error {
  constructor() {
    super('A fault dropped the connection');
    this.name = 'ConnectionDropped';
  }
}

/** `signal` ends a delay early. Throws `ServiceError` for an error or a throttle, `ConnectionDropped` for a drop. */
export async function inject(faults: readonly CallFault[], signal: AbortSignal): Promise<void> {
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

/** The words are the service's own. */
export function notSeenYet(versionId: string | undefined, versionStage: string): ServiceError {
  const what = versionId === undefined ? `staging label: ${versionStage}` : `VersionId: ${versionId}`;
  return new ServiceError(
    'ResourceNotFoundException',
    `Secrets Manager can't find the specified secret value for ${what}`,
  );
}
