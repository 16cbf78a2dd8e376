import { text, type Json, type JsonObject } from './json.ts';

export const ACCOUNT = '123456789012';
export const REGION = 'us-east-1';

/** CloudFormation's pseudo parameters, for an account of these tests. `AWS::NoValue` is not among them. */
export function pseudoParameters(partition = 'aws', region = REGION): JsonObject {
  return {
    'AWS::AccountId': ACCOUNT,
    'AWS::Partition': partition,
    'AWS::Region': region,
    'AWS::StackName': 'pazpaz',
    'AWS::URLSuffix': partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com',
  };
}

/** A resource as it was made: its type, and its properties, resolved when asked for. */
export interface MadeResource {
  readonly logicalId: string;
  readonly type: string;
  readonly property: (name: string) => Json | undefined;
}

/** What `Ref` gives for a resource, in the shape that CloudFormation gives it ('Return values' of each type). */
export function reference({ logicalId, type, property }: MadeResource): string {
  switch (type) {
    case 'AWS::SecretsManager::Secret':
      return `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${text(property('Name'))}-AbCdEf`;
    case 'AWS::KMS::Key':
      return keyId(logicalId);
    case 'AWS::Serverless::Function':
      return text(property('FunctionName'));
    case 'AWS::SNS::Topic':
      return `arn:aws:sns:${REGION}:${ACCOUNT}:${text(property('TopicName'))}`;
    case 'AWS::IAM::ManagedPolicy':
      return `arn:aws:iam::${ACCOUNT}:policy/${text(property('ManagedPolicyName'))}`;
    case 'AWS::SQS::Queue':
      return `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${logicalId}`;
    case 'AWS::CloudWatch::Dashboard':
      return text(property('DashboardName'));
    default:
      return `pazpaz-${logicalId}`;
  }
}

/** What `Fn::GetAtt` gives. Throws for an attribute that these tests do not know: a template's typing error, likely. */
export function attribute(resource: MadeResource, name: string): string {
  const { logicalId, type } = resource;
  const known: Readonly<Record<string, string>> = {
    'AWS::KMS::Key Arn': `arn:aws:kms:${REGION}:${ACCOUNT}:key/${keyId(logicalId)}`,
    'AWS::IAM::Role Arn': `arn:aws:iam::${ACCOUNT}:role/pazpaz-${logicalId}`,
    'AWS::Logs::LogGroup Arn': `arn:aws:logs:${REGION}:${ACCOUNT}:log-group:pazpaz-${logicalId}:*`,
    'AWS::Events::Rule Arn': `arn:aws:events:${REGION}:${ACCOUNT}:rule/pazpaz-${logicalId}`,
    'AWS::SQS::Queue Arn': `arn:aws:sqs:${REGION}:${ACCOUNT}:${logicalId}`,
    'AWS::SQS::Queue QueueName': logicalId,
    'AWS::S3::Bucket Arn': `arn:aws:s3:::pazpaz-${logicalId.toLowerCase()}`,
  };
  if (type === 'AWS::Serverless::Function' && name === 'Arn') {
    return `arn:aws:lambda:${REGION}:${ACCOUNT}:function:${reference(resource)}`;
  }
  const value = known[`${type} ${name}`];
  if (value === undefined) throw new Error(`${type} has no attribute ${name} that the tests know (${logicalId})`);
  return value;
}

/** Differs between the keys of a stack, and has a key id's form. */
function keyId(logicalId: string): string {
  const digits = Buffer.from(logicalId.padEnd(16, '-')).toString('hex');
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20, 32),
  ].join('-');
}
