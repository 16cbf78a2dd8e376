// The SDK looks for credentials in ten places, four of them with a client of their own (SSO, STS, sign-in, the
// metadata services): a third of the bundle. Lambda hands them to a function in environment variables and in no other
// way ('Defined runtime environment variables': AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), and
// `sam local` does the same. The one place that is left is the SDK's own reader of those.
export { fromEnv as defaultProvider } from '@aws-sdk/credential-provider-env';
