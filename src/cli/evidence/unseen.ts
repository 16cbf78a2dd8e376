import { isKeyRotationError } from '../../format/error.ts';
import { awsErrorName } from '../../secret/aws-error.ts';
import type { OtherService } from '../aws/other-services.ts';
import type { Unseen } from './evidence.ts';

/** So that no question is silently left out of a report. */
export class UnseenList {
  readonly #all: Unseen[] = [];
  readonly #whyNotAsked: (service: OtherService) => string | undefined;

  /** `undefined` for a service that is called. */
  constructor(whyNotAsked: (service: OtherService) => string | undefined) {
    this.#whyNotAsked = whyNotAsked;
  }

  get all(): readonly Unseen[] {
    return this.#all;
  }

  add(what: string, needs: string, why: string): void {
    this.#all.push({ what, needs, why });
  }

  /** `undefined` if it was refused or did not come. Throws settings that cannot work. */
  async see<T>(what: string, needs: string, answer: () => Promise<T>): Promise<T | undefined> {
    try {
      return await answer();
    } catch (error) {
      if (isKeyRotationError(error, 'INVALID_SETTINGS')) throw error;
      this.add(what, needs, reasonOf(error));
      return undefined;
    }
  }

  /** For a service that may not be where Secrets Manager is, and is then not called. */
  async ask<T>(service: OtherService, what: string, needs: string, answer: () => Promise<T>): Promise<T | undefined> {
    const why = this.#whyNotAsked(service);
    if (why === undefined) return this.see(what, needs, answer);
    this.add(what, needs, why);
    return undefined;
  }
}

/** A message of AWS may quote what was sent, so only the name of its error is shown. */
function reasonOf(error: unknown): string {
  if (isKeyRotationError(error)) return `${error.code}: ${error.message}`;
  return awsErrorName(error) || 'no answer';
}
