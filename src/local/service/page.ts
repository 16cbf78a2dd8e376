import { ServiceError } from './service-error.ts';

export interface Page<T> {
  readonly elements: readonly T[];
  readonly nextToken?: string;
}

/** The token holds the place of the next page. (The wording of `InvalidNextTokenException` is on no record.) */
export function pageOf<T>(all: readonly T[], size: number, token: string | undefined): Page<T> {
  const start = token === undefined ? 0 : placeIn(token, all.length);
  const elements = all.slice(start, start + size);
  const end = start + elements.length;
  return end < all.length ? { elements, nextToken: tokenFor(end) } : { elements };
}

const PREFIX = 'page-from:';

function tokenFor(place: number): string {
  return Buffer.from(`${PREFIX}${place}`, 'utf8').toString('base64');
}

function placeIn(token: string, length: number): number {
  const decoded = Buffer.from(token, 'base64').toString('utf8');
  const digits = decoded.startsWith(PREFIX) ? decoded.slice(PREFIX.length) : '';
  const place = /^[0-9]{1,9}$/.test(digits) ? Number(digits) : Number.NaN;
  // A listing that shrank meanwhile ends here; a token that was never given is refused.
  if (Number.isNaN(place) || tokenFor(place) !== token) {
    throw new ServiceError('InvalidNextTokenException', 'The NextToken value is invalid.');
  }
  return Math.min(place, length);
}
