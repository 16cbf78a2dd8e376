import { isHostOfAws } from './other-services.ts';

export interface Answerer {
  readonly host: string;
  /** Protocol, host and port. */
  readonly url: string;
}

/** Such as `eu-west-1, account 123456789012`, and the endpoint if it is not AWS's. */
export function placeOf(arn: string | undefined, answerer: Answerer | undefined): string {
  const [, , , region = '', account = ''] = (arn ?? '').split(':');
  const endpoint = answerer === undefined || isHostOfAws(answerer.host) ? '' : `at ${answerer.url}`;
  return [region, account === '' ? '' : `account ${account}`, endpoint].filter((part) => part !== '').join(', ');
}
