import { styleText } from 'node:util';

/** Outside a terminal every member returns the text unchanged. */
export interface Paint {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

export const PLAIN: Paint = { strong: same, faint: same, good: same, bad: same };

export const COLOURED: Paint = {
  strong: painted('bold'),
  faint: painted('dim'),
  good: painted('green'),
  bad: painted('red'),
};

/** Progress needs a terminal; colours also need NO_COLOR to be unset (no-color.org). */
export function abilitiesOf(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): { readonly isLive: boolean; readonly paint: Paint } {
  const isLive = stream.isTTY === true && environment['TERM'] !== 'dumb';
  const isDeclined = (environment['NO_COLOR'] ?? '') !== '';
  return { isLive, paint: isLive && !isDeclined ? COLOURED : PLAIN };
}

function painted(style: 'bold' | 'dim' | 'green' | 'red'): (text: string) => string {
  // Newer Nodes would decide by the environment as well.
  return (text) => styleText(style, text, { validateStream: false });
}

function same(text: string): string {
  return text;
}
