import { kmsKeyStateOf } from './aws/kms-key-state.ts';
import { operatorSecrets } from './aws/operator-secrets.ts';
import { rotationFunctionOf } from './aws/rotation-function.ts';
import type { CommandDefinition } from './command.ts';
import { runDoctor } from './doctor/doctor.ts';
import { doctorLines } from './screen/doctor-screen.ts';
import { clientFor } from './session.ts';

export const DOCTOR: CommandDefinition<object> = {
  name: 'doctor',
  summary: 'Run through what can be wrong, and say of each: found or not, how it knows, and what mends it',
  details:
    'Run it where the application runs and with its role: it looks at the environment, too. It reads every key of the ring once, which an alarm on reads counts. It writes nothing, and exits with 0 only when nothing is wrong.',
  examples: ['pazpaz-keys doctor --secret-id pazpaz/encryption-key-v1', 'pazpaz-keys doctor --json'],
  run: async ({ deps, region, clockOffset, whyNotAsked }, options, _, { environment }) => {
    const stateOf = kmsKeyStateOf(options, region);
    const unknown = (why: string) => Promise.resolve({ unknown: why });
    const { result, exitCode } = await runDoctor({
      ...deps,
      region,
      environment,
      clockOffset,
      // With an endpoint of its own every region answers there.
      secretsIn: (other) => operatorSecrets(clientFor({ ...options, region: other }, other)),
      kmsKeyState: (keyId) => {
        const why = whyNotAsked('KMS');
        return why === undefined ? stateOf(keyId) : unknown(why);
      },
      rotationFunction: (functionArn) => {
        const why = whyNotAsked('LAMBDA');
        return why === undefined ? rotationFunctionOf(functionArn, options) : unknown(why);
      },
    });
    return { result, lines: (paint) => doctorLines(result, paint), exitCode, hidesChanges: true, suggests: true };
  },
};
