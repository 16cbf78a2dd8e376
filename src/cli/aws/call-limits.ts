import { KeyRotationError } from '../../format/error.ts';
import { readWithin, type AnswerLimits } from '../../keyring/source/limited-answer.ts';

/** In milliseconds and bytes. */
interface CallLimits extends AnswerLimits {
  /** Credentials, retries and pauses included. */
  readonly wholeCall: number;
}

/** The longest answer is a page of 100 versions, or a megabyte of a log. */
const CALL_LIMITS: CallLimits = { bytes: 16_000_000, milliseconds: 20_000, wholeCall: 60_000 };

type Next<Args, Result> = (args: Args) => Promise<Result>;
type Wrapper = <Args, Result>(next: Next<Args, Result>) => Next<Args, Result>;
type AnswerWrapper = <Args, Result extends { readonly response: unknown }>(
  next: Next<Args, Result>,
) => Next<Args, Result>;

interface Client {
  readonly middlewareStack: {
    add(wrapper: Wrapper, at: { readonly step: 'initialize'; readonly name: string; readonly priority: 'high' }): void;
    add(
      wrapper: AnswerWrapper,
      at: { readonly step: 'deserialize'; readonly name: string; readonly priority: 'low' },
    ): void;
    addRelativeTo(
      wrapper: Wrapper,
      at: { readonly relation: 'before'; readonly toMiddleware: 'httpSigningMiddleware'; readonly name: string },
    ): void;
  };
}

/** Each call of the client ends: with an answer, or with `CANNOT_REACH_AWS` at one of these limits. */
export function limited<C extends Client>(client: C, limits = CALL_LIMITS): C {
  const withinTime: Wrapper = (next) => (args) => atMost(limits.wholeCall, next(args));
  const withinSize: AnswerWrapper = (next) => async (args) => {
    const result = await next(args);
    await readWithin(result.response, limits);
    return result;
  };
  client.middlewareStack.add(withinTime, { step: 'initialize', name: 'limitTime', priority: 'high' });
  client.middlewareStack.addRelativeTo(refusedOnce, {
    relation: 'before',
    toMiddleware: 'httpSigningMiddleware',
    name: 'refusedOnce',
  });
  client.middlewareStack.add(withinSize, { step: 'deserialize', name: 'limitAnswer', priority: 'low' });
  return client;
}

/** Errors that a wrong clock causes (`CLOCK_SKEW_ERROR_CODES` of @smithy/core). */
const SKEW_ERRORS: readonly string[] = [
  'AuthFailure',
  'InvalidSignatureException',
  'RequestExpired',
  'RequestInTheFuture',
  'RequestTimeTooSkewed',
  'SignatureDoesNotMatch',
];

/**
 * Where the machine's clock is four minutes off, the SDK sends every refused call again, whatever the reason: a refused
 * RotateSecret would run the unfinished rotation twice.
 */
const refusedOnce: Wrapper = (next) => (args) =>
  next(args).catch((error: unknown) => {
    if (error instanceof Error && !SKEW_ERRORS.includes(error.name) && '$metadata' in error) {
      const { $metadata: about } = error;
      if (typeof about === 'object' && about !== null) Object.assign(about, { clockSkewCorrected: false });
    }
    throw error;
  });

function atMost<T>(milliseconds: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new KeyRotationError(
          'CANNOT_REACH_AWS',
          `AWS did not answer within ${milliseconds / 1000} s, retries included. Check the network, and the source of the credentials (credential_process, SSO, instance metadata).`,
        ),
      );
    }, milliseconds);
  });
  return Promise.race([answer, tooLate]).finally(() => {
    clearTimeout(timer);
  });
}
