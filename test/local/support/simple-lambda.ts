import { randomBytes } from 'node:crypto';
import { LAMBDA_ACCESS_KEY_ID } from '../../../src/local/caller.ts';
import { isJsonObject, stringMember } from '../../../src/local/json.ts';
import type { Invocation } from '../../../src/local/lambda/lambda-interface.ts';
import type { LocalSecretsManager } from '../../../src/local/local-secrets-manager.ts';

export const LAMBDA_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:rotate';

type Hook = (step: string, service: LocalSecretsManager) => Promise<void> | void;

/**
 * The least that a rotation Lambda does (put under the token, move AWSCURRENT), run within the process. It notes each
 * event, and what `before` throws is how it fails.
 */
export class SimpleLambda {
  readonly events: Readonly<Record<string, unknown>>[] = [];
  #service: LocalSecretsManager | undefined;
  readonly #before: Hook;

  constructor(before: Hook = () => undefined) {
    this.#before = before;
  }

  /** The steps so far, in order. */
  get steps(): readonly string[] {
    return this.events.flatMap((event) => stringMember(event, 'Step') ?? []);
  }

  worksOn(service: LocalSecretsManager): void {
    this.#service = service;
  }

  readonly invoke = async ({ event }: Invocation): Promise<unknown> => {
    const service = this.#service;
    if (service === undefined || !isJsonObject(event)) throw new Error('the test did not say what to work on');
    this.events.push(event);
    const step = stringMember(event, 'Step') ?? 'event';
    await this.#before(step, service);
    const SecretId = stringMember(event, 'SecretId');
    const token = stringMember(event, 'ClientRequestToken');
    if (SecretId === undefined || token === undefined) return null;
    const caller = { accessKeyId: LAMBDA_ACCESS_KEY_ID };
    const versions = Object.entries(service.state.secrets[SecretId]?.versions ?? {});
    if (step === 'createSecret' && versions.some(([id, { value }]) => id === token && value === undefined)) {
      const SecretString = randomBytes(32).toString('base64');
      const input = { SecretId, ClientRequestToken: token, SecretString, VersionStages: ['AWSPENDING'] };
      await service.call('PutSecretValue', input, caller);
    }
    if (step === 'finishSecret') {
      const current = versions.find(([, { stages }]) => stages.includes('AWSCURRENT'))?.[0];
      if (current === token) return null;
      const move = { SecretId, VersionStage: 'AWSCURRENT', MoveToVersionId: token };
      const from = current === undefined ? {} : { RemoveFromVersionId: current };
      await service.call('UpdateSecretVersionStage', { ...move, ...from }, caller);
    }
    return null;
  };
}
