import { KMSClient } from '@aws-sdk/client-kms';
import { limited } from './call-limits.ts';
import { clientSettings } from './client-settings.ts';

/** A client of AWS KMS with the credentials of the command. Every call ends, with an answer or without. */
export function kmsClient(options: { readonly profile?: string }, region: string | undefined): KMSClient {
  return limited(new KMSClient(clientSettings(options, region)));
}
