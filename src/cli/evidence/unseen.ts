import { isKeyRotationError } from '../../format/error.ts';
import { awsErrorName } from '../../secret/aws-error.ts';
import type { OtherService } from '../aws/other-services.ts';
import type { Unseen } from './evidence.ts';

/** Collects the questions that were not answered, so that none is silently left out of a report. */
export class UnseenList {
  readonly #all: Unseen[] = [];
  readonly #whyNotAsked: (service: OtherService) => string | undefined;

  /** `whyNotAsked`: why a service is not called; `undefined` if it is. */
  constructor(whyNotAsked: (service: OtherService) => string | undefined) {
    this.#whyNotAsked = whyNotAsked;
  }

  get all(): readonly Unseen[] {
    return this.#all;
  }

  add(what: string, needs: string, why: string): void {
    this.#all.push({ what, needs, why });
  }

  /** The answer, or `undefined` if it was refused or did not come. Settings that cannot work are thrown. */
  async see<T>(what: string, needs: string, answer: () => Promise<T>): Promise<T | undefined> {
    try {
      return await answer();
    } catch (error) {
      if (isKeyRotationError(error, 'INVALID_SETTINGS')) throw error;
      this.add(what, needs, reasonOf(error));
      return undefined;
    }
  }

  /** The answer of a service that may be somewhere else than Secrets Manager, and is then not called. */
  async ask<T>(service: OtherService, what: string, needs: string, answer: () => Promise<T>): Promise<T | undefined> {
    const why = this.#whyNotAsked(service);
    if (why === undefined) return this.see(what, needs, answer);
    this.add(what, needs, why);
    return undefined;
  }
}

/** The name of the service's error, and of ours the message. A message of AWS may quote what was sent. */
function reasonOf(error: unknown): string {
  if (isKeyRotationError(error)) return `${error.code}: ${error.message}`;
  return awsErrorName(error) || 'no answer';
}
