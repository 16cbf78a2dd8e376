"""What both clients are held to: the operations, and the errors with the service's own words."""

OPERATIONS = {
    "BatchGetSecretValue",
    "CancelRotateSecret",
    "CreateSecret",
    "DeleteResourcePolicy",
    "DeleteSecret",
    "DescribeSecret",
    "GetRandomPassword",
    "GetResourcePolicy",
    "GetSecretValue",
    "ListSecretVersionIds",
    "ListSecrets",
    "PutResourcePolicy",
    "PutSecretValue",
    "RestoreSecret",
    "RotateSecret",
    "TagResource",
    "UntagResource",
    "UpdateSecret",
    "UpdateSecretVersionStage",
    "ValidateResourcePolicy",
}

NO_SECRET = "Secrets Manager can't find the specified secret."
NOT_ASSOCIATED = "You provided a VersionStage that is not associated to the provided VersionId."
NOT_COMPLETE = "A previous rotation isn't complete. That rotation will be reattempted."
MARKED_FOR_DELETION = "You can't perform this operation on the secret because it was marked for deletion."
TOKEN_MISSING = "You must provide a ClientRequestToken value. We recommend a UUID-type value."
NO_VALUE = "You must provide either SecretString or SecretBinary."
NEVER_REMOVED = (
    "You can only move staging label AWSCURRENT to a different secret version. It can’t be completely removed."
)
NO_LAMBDA = "No Lambda rotation function ARN is associated with this secret."


def no_version(version):
    return f"Secrets Manager can't find the specified secret value for VersionId: {version}"


def no_label(label):
    return f"Secrets Manager can't find the specified secret value for staging label: {label}"


def attached_elsewhere(label, version):
    return (
        f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version "
        f"{version}, so you must explicitly reference that version in RemoveFromVersionId."
    )


def wrong_holder(label):
    return (
        f"When you move staging label {label}, if you specify RemoveFromVersionId, it must be set to the version that "
        f"currently has the staging label {label}."
    )


def token_in_use(token, arn):
    return (
        f"You can't use ClientRequestToken {token} because that value is already in use for a version of secret {arn}."
    )


POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/app"},'
    '"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}'
)
