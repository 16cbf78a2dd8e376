import { CloudWatchClient, CloudWatchServiceException, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { mockClient } from 'aws-sdk-client-mock';
import { encryptionCount } from '../../../src/cli/aws/encryption-count.ts';

const ARN = 'arn:aws:lambda:eu-west-1:123456789012:function:ClinicKeyRotation';
const NOW = new Date('2026-11-30T00:00:00Z');
const MADE = new Date('2026-01-01T00:00:00Z');

const cloudWatch = mockClient(CloudWatchClient);
beforeEach(() => cloudWatch.reset());
afterAll(() => {
  cloudWatch.restore();
});

const asked = () => cloudWatch.commandCalls(GetMetricStatisticsCommand)[0]?.args[0].input;

test('the encryptions of the fleet are the sum of the metric of the stack since the key was made', async () => {
  cloudWatch.on(GetMetricStatisticsCommand).resolves({ Datapoints: [{ Sum: 1000 }, { Sum: 200 }, {}] });
  expect(await encryptionCount(ARN, MADE, NOW, {})).toEqual({ encryptions: 1200, since: MADE.toISOString() });
  expect(asked()).toMatchObject({
    Namespace: 'Clinic/Security',
    MetricName: 'KeyEncryptions',
    StartTime: MADE,
    EndTime: NOW,
    Statistics: ['Sum'],
  });
});

test('no more is asked for than CloudWatch keeps', async () => {
  cloudWatch.on(GetMetricStatisticsCommand).resolves({ Datapoints: [{ Sum: 1 }] });
  const count = await encryptionCount(ARN, new Date('2020-01-01T00:00:00Z'), NOW, {});
  expect(count).toMatchObject({ since: '2025-09-01T00:00:00.000Z' });
});

test('what is not known is said to be so, with the reason', async () => {
  cloudWatch.on(GetMetricStatisticsCommand).resolves({});
  expect(await encryptionCount(ARN, MADE, NOW, {})).toMatchObject({
    unknown: 'the metric KeyEncryptions has no values',
    isAsked: true,
  });
  const denied = { name: 'AccessDenied', message: 'no', $fault: 'client', $metadata: {} } as const;
  cloudWatch.on(GetMetricStatisticsCommand).rejects(new CloudWatchServiceException(denied));
  expect(await encryptionCount(ARN, MADE, NOW, {})).toEqual({
    unknown: 'cloudwatch:GetMetricStatistics: AccessDenied',
    isAsked: true,
  });
  expect(await encryptionCount(ARN.replace('ClinicKeyRotation', 'other'), MADE, NOW, {})).toEqual({
    unknown: 'other is not that of the stack',
  });
});
