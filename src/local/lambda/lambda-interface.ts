/** One call of the rotation Lambda, however it is run. */
export interface Invocation {
  /** The JSON payload. */
  readonly event: unknown;
  /** The ARN that the secret's rotation is configured with. */
  readonly functionArn: string;
  /** The secret that it is about; the Lambda's environment names it. */
  readonly secretArn: string;
  /** `wait`: the service waits for the result, as for a rotation step. `event`: asynchronous, as for EventBridge. */
  readonly kind: 'wait' | 'event';
  /** Aborted when the service closes: the invocation ends as soon as it can. */
  readonly signal: AbortSignal;
}

/**
 * Runs the Lambda once.
 *
 * @throws {LambdaError} or any other error if the Lambda failed, timed out or could not be run.
 */
export type Invoke = (invocation: Invocation) => Promise<unknown>;

/** Whether the function of this ARN is there to be invoked. Runs nothing. */
export type CanInvoke = (functionArn: string) => Promise<boolean>;

/** What Lambda answers for a failed function ("Lambda function errors in Node.js": errorType, errorMessage, trace). */
export class LambdaError extends Error {
  readonly errorType: string;
  readonly trace: readonly string[];

  constructor(errorType: string, errorMessage: string, trace: readonly string[] = []) {
    super(errorMessage);
    this.name = 'LambdaError';
    this.errorType = errorType;
    this.trace = trace;
  }
}

/** The four steps in their order ("Rotation by Lambda function"). */
export const ROTATION_STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

/** The payload of a rotation step. */
export interface RotationEvent {
  readonly Step: RotationStep;
  readonly SecretId: string;
  readonly ClientRequestToken: string;
  readonly RotationToken: string;
}

/** The last part of a function's ARN that names it, without a version or alias. */
export function functionName(functionArn: string): string {
  return functionArn.split(':')[6] ?? functionArn;
}
