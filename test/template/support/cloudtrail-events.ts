import { ACCOUNT, REGION } from './physical-id.ts';
import { text, type Json, type JsonObject } from './json.ts';

/**
 * Events as CloudTrail records them, in the shape of public records of the real service: which fields are there, which
 * are null, and how a caller is named. Names, ids and times are made up.
 */

export const SECRET_NAME = 'pazpaz/encryption-key-v1';
export const SECRET_ARN = `arn:aws:secretsmanager:${REGION}:${ACCOUNT}:secret:${SECRET_NAME}-AbCdEf`;

/** Who called. Root and IAM users have no session issuer; a user signed in with MFA has a session without one. */
export const ROOT: JsonObject = {
  type: 'Root',
  principalId: ACCOUNT,
  arn: `arn:aws:iam::${ACCOUNT}:root`,
  accountId: ACCOUNT,
  accessKeyId: 'ASIAEXAMPLE',
  sessionContext: { attributes: { creationDate: '2026-01-01T09:00:00Z', mfaAuthenticated: 'true' } },
};

export const IAM_USER: JsonObject = {
  type: 'IAMUser',
  principalId: 'AIDAEXAMPLE',
  arn: `arn:aws:iam::${ACCOUNT}:user/ops`,
  accountId: ACCOUNT,
  accessKeyId: 'AKIAEXAMPLE',
  userName: 'ops',
};

/** A session of a role, named by its ARN. */
export function roleSession(roleArn: string): JsonObject {
  const name = roleArn.slice(roleArn.lastIndexOf('/') + 1);
  return {
    type: 'AssumedRole',
    principalId: 'AROAEXAMPLE:session',
    arn: `arn:aws:sts::${ACCOUNT}:assumed-role/${name}/session`,
    accountId: ACCOUNT,
    accessKeyId: 'ASIAEXAMPLE',
    sessionContext: {
      sessionIssuer: { type: 'Role', principalId: 'AROAEXAMPLE', arn: roleArn, accountId: ACCOUNT, userName: name },
      attributes: { creationDate: '2026-01-01T09:00:00Z', mfaAuthenticated: 'false' },
    },
  };
}

/** A call that was let through. */
export function call(
  eventName: string,
  requestParameters: JsonObject,
  userIdentity: JsonObject = IAM_USER,
): JsonObject {
  const service = 'keyId' in requestParameters ? 'kms' : 'secretsmanager';
  return { ...common(`${service}.amazonaws.com`, eventName), userIdentity, requestParameters, eventType: 'AwsApiCall' };
}

/** A call of another service that was let through. `service`: the first word of its event source, such as `lambda`. */
export function callOf(service: string, eventName: string, requestParameters: JsonObject): JsonObject {
  const envelope = common(`${service}.amazonaws.com`, eventName);
  return { ...envelope, userIdentity: IAM_USER, requestParameters, eventType: 'AwsApiCall' };
}

/** A call that IAM refused: no request parameters, and the secret, as the caller named it, in the message alone. */
export function deniedCall(
  eventName: string,
  namedAs: string,
  reason = 'because no identity-based policy allows the action',
): JsonObject {
  return {
    ...common('secretsmanager.amazonaws.com', eventName),
    userIdentity: roleSession(`arn:aws:iam::${ACCOUNT}:role/Stranger`),
    errorCode: 'AccessDenied',
    errorMessage: `User: arn:aws:sts::${ACCOUNT}:assumed-role/Stranger/session is not authorized to perform: secretsmanager:${eventName} on resource: ${namedAs}${reason === '' ? '' : ` ${reason}`}`,
    requestParameters: null,
    eventType: 'AwsApiCall',
  };
}

/** What Secrets Manager itself reports of a rotation. */
export function serviceEvent(eventName: string, secretArn = SECRET_ARN): JsonObject {
  return {
    ...common('secretsmanager.amazonaws.com', eventName),
    userIdentity: { accountId: ACCOUNT, invokedBy: 'secretsmanager.amazonaws.com' },
    errorMessage: `Error when executing lambda during createSecret step`,
    requestParameters: null,
    additionalEventData: { SecretId: secretArn },
    eventType: 'AwsServiceEvent',
  };
}

/** The envelope in which EventBridge hands a CloudTrail event on. */
export function onEventBridge(detail: JsonObject): JsonObject {
  const fromService = detail['eventType'] === 'AwsServiceEvent';
  return {
    version: '0',
    id: 'd82e0a2d-0000-4000-8000-000000000000',
    'detail-type': fromService ? 'AWS Service Event via CloudTrail' : 'AWS API Call via CloudTrail',
    source: `aws.${text(detail['eventSource']).split('.')[0] ?? ''}`,
    account: ACCOUNT,
    time: '2026-01-01T09:00:00Z',
    region: REGION,
    resources: [],
    detail,
  };
}

function common(eventSource: string, eventName: string): Readonly<Record<string, Json>> {
  return {
    eventVersion: '1.09',
    eventTime: '2026-01-01T09:00:00Z',
    eventSource,
    eventName,
    awsRegion: REGION,
    sourceIPAddress: '198.51.100.7',
    userAgent: 'aws-cli/2.31.0',
    responseElements: null,
    eventID: 'e3b69cfe-0000-4000-8000-000000000000',
    recipientAccountId: ACCOUNT,
  };
}
