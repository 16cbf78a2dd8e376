import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { awsErrorName, isFault } from '../../secret/aws-error.ts';
import type { RotationFunction } from './operator.ts';
import { limited } from './call-limits.ts';
import { clientSettings } from './client-settings.ts';

/** In the region of `RotationLambdaARN`. A missing version or alias counts as no function: a rotation finds none. */
export async function rotationFunctionOf(
  functionArn: string,
  options: { readonly profile?: string },
): Promise<RotationFunction> {
  const client = limited(
    new LambdaClient(clientSettings(options, /^arn:[^:]*:lambda:([^:]+):/.exec(functionArn)?.[1])),
  );
  try {
    const found = await client.send(new GetFunctionConfigurationCommand({ FunctionName: functionArn }));
    const usualGroup = `/aws/lambda/${found.FunctionName ?? functionArn.split(':')[6] ?? ''}`;
    return { exists: true, logGroup: found.LoggingConfig?.LogGroup ?? usualGroup };
  } catch (error) {
    if (awsErrorName(error) === 'ResourceNotFoundException') return { exists: false };
    return {
      unknown: `lambda:GetFunctionConfiguration: ${awsErrorName(error) || 'no answer'} for ${functionArn}`,
      ...(isFault(error) ? { isFault: true } : {}),
    };
  } finally {
    client.destroy();
  }
}
