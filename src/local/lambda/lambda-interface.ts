export interface Invocation {
  /** The JSON payload. */
  readonly event: unknown;
  /** As in the rotation's configuration. */
  readonly functionArn: string;
  /** The Lambda's environment names this secret. */
  readonly secretArn: string;
  /** `wait`: for the result, as of a rotation step. `event`: asynchronous, as EventBridge does. */
  readonly kind: 'wait' | 'event';
  /** Aborted when the service closes. */
  readonly signal: AbortSignal;
}

/** Rejects with `LambdaError` or any other error if the Lambda failed, timed out or could not be run. */
export type Invoke = (invocation: Invocation) => Promise<unknown>;

/** Whether the function of this ARN can be invoked. Runs nothing. */
export type CanInvoke = (functionArn: string) => Promise<boolean>;

/** "Lambda function errors in Node.js": errorType, errorMessage, trace. */
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

/** In their order ("Rotation by Lambda function"). */
export const ROTATION_STEPS = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const;
export type RotationStep = (typeof ROTATION_STEPS)[number];

export interface RotationEvent {
  readonly Step: RotationStep;
  readonly SecretId: string;
  readonly ClientRequestToken: string;
  readonly RotationToken: string;
}

/** Without a version or alias. */
export function functionName(functionArn: string): string {
  return functionArn.split(':')[6] ?? functionArn;
}
