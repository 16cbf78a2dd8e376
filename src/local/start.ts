import { stat } from 'node:fs/promises';
import { serve } from './http/http-server.ts';
import { lambdaEndpoint, lambdaEndpointCheck } from './lambda/lambda-endpoint.ts';
import type { CanInvoke, Invoke } from './lambda/lambda-interface.ts';
import { lambdaProcess } from './lambda/lambda-process.ts';
import type { SavedState } from './saved-state.ts';
import { LocalSecretsManager, type ServiceOptions } from './local-secrets-manager.ts';
import { StateFile } from './state-file.ts';

/** How the rotation Lambda is run. */
export type LambdaChoice =
  | {
      /** The built bundle (a file), run in a fresh Node process each time. */
      readonly bundle: string;
      /** `lambda-runner.mjs`. */
      readonly runner: string;
      /** Milliseconds; default 30,000. */
      readonly timeout?: number;
      readonly environment?: Readonly<Record<string, string>>;
      /** Keeps the process for the next invocation. */
      readonly isKeptWarm?: boolean;
      /** Gets each line of the Lambda's log; default: standard error. */
      readonly log?: (line: string) => void;
    }
  | {
      /** An endpoint of the Lambda Invoke API. */
      readonly url: string;
      readonly functionName?: string;
    }
  | Invoke;

export interface StartOptions extends Omit<ServiceOptions, 'invoke' | 'canInvoke' | 'saved' | 'save'> {
  /** Default 0: any that is free. */
  readonly port?: number;
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** Further names under which clients reach the service. */
  readonly allowedHosts?: readonly string[];
  /** Default: the state lives in memory. */
  readonly stateFile?: string;
  /** The state if there is no state file yet; default: no secrets. */
  readonly initial?: SavedState;
  readonly lambda?: LambdaChoice;
}

export interface LocalService {
  readonly url: string;
  readonly port: number;
  readonly service: LocalSecretsManager;
  /** Ends invocations and connections, and waits for the state file. */
  readonly close: () => Promise<void>;
}

/** Throws `StateFileError` for a state file that is damaged, foreign or in use, or Node's error if it cannot listen. */
export async function startLocalService(options: StartOptions = {}): Promise<LocalService> {
  const { port = 0, host = '127.0.0.1', allowedHosts = [], stateFile, initial, lambda, ...serviceOptions } = options;
  const file = stateFile === undefined ? undefined : await StateFile.open(stateFile);
  const releaseOnFailure = async (error: unknown): Promise<never> => {
    await file?.close();
    throw error;
  };
  const saved = (await file?.load().catch(releaseOnFailure)) ?? initial;
  let url = '';
  const service: LocalSecretsManager = new LocalSecretsManager({
    ...serviceOptions,
    ...(file === undefined ? {} : { save: (state) => file.save(state) }),
    ...(saved === undefined ? {} : { saved }),
    ...(lambda === undefined
      ? {}
      : invocationOf(lambda, {
          endpoint: () => url,
          region: options.region ?? 'us-east-1',
          clockOffset: () => service.clock.offset,
        })),
  });
  const server = await serve(service, { port, host, allowedHosts }).catch(releaseOnFailure);
  url = server.url;
  service.start();
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    try {
      await service.close();
    } finally {
      await server.close();
      await file?.close();
    }
  };
  // A second close must not write: the file may be another process's by then.
  return { url, port: server.port, service, close: () => (closed ??= close()) };
}

function invocationOf(
  lambda: LambdaChoice,
  surroundings: { endpoint: () => string; region: string; clockOffset: () => number },
): { readonly invoke: Invoke; readonly canInvoke?: CanInvoke } {
  if (typeof lambda === 'function') return { invoke: lambda };
  if ('url' in lambda) return { invoke: lambdaEndpoint(lambda), canInvoke: lambdaEndpointCheck(lambda) };
  return { invoke: lambdaProcess({ ...lambda, ...surroundings }), canInvoke: () => isFile(lambda.bundle) };
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
