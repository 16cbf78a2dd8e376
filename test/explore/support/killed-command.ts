import type { Behaviour, Secret, ServiceState } from '../../../src/local/service/state.ts';
import type { ModelRows } from './model-rows.ts';
import { firstMemory, observe, type Memory } from './monitors/monitor.ts';
import type { Product } from './product.ts';
import { answered, isReading, programDependencies, SECRET_ARN, TIME_OF_COMMAND } from './program.ts';
import { callService } from './service-calls.ts';
import { contextOf, secretOf } from './world.ts';

interface Left {
  readonly service: ServiceState;
  readonly memory: Memory;
  readonly day: number;
}

/** Runs a command until it ends, or until it wants to write after so many calls: there it is killed. */
export async function killed(
  product: Product,
  behaviour: Behaviour,
  { secret, rows, line, calls }: { secret: Secret; rows: ModelRows; line: string; calls: number },
): Promise<Left> {
  let service: ServiceState = { secrets: { [SECRET_ARN]: secret } };
  let memory = firstMemory(secret);
  let violation: Error | undefined;
  let made = 0;
  const never = new Promise<never>(() => undefined);
  const ended = new Promise<void>((resolve) => {
    const deps = programDependencies(
      (call) => {
        made += 1;
        if (made > calls && !isReading(call)) {
          resolve();
          return never;
        }
        const { service: after, reply } = callService(service, call, contextOf(behaviour, 1));
        try {
          if (after !== service) memory = observe(memory, secretOf(service), secretOf(after), { command: line });
        } catch (error) {
          violation ??= error instanceof Error ? error : new Error(String(error));
        }
        service = after;
        return answered(reply);
      },
      { seed: 50, day: 1, timeLimit: TIME_OF_COMMAND },
    );
    const seen = rows.seenIn(() => secretOf(service));
    product.runCommand(deps, line, seen).then(
      () => {
        resolve();
      },
      () => {
        resolve();
      },
    );
  });
  await ended;
  if (violation !== undefined) throw violation;
  rows.check(secretOf(service));
  return { service, memory, day: 1 };
}
