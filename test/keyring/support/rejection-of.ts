import { KeyRotationError } from '../../../src/format/error.ts';

/** The error of ours with which `promise` rejects. */
export async function rejectionOf(promise: Promise<unknown>): Promise<KeyRotationError> {
  const answer: unknown = await promise.catch((error: unknown) => error);
  if (answer instanceof KeyRotationError) return answer;
  throw new Error('Expected a rejection with a KeyRotationError.', { cause: answer });
}
