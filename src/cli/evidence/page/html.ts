/** Every text in it is escaped. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = string | number | Html | readonly Html[];

/** Escapes texts; pieces of HTML are put in as they are. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  const filled = strings.map((between, index) => {
    const part = parts[index];
    return between + (part === undefined ? '' : written(part));
  });
  return new Html(filled.join(''));
}

function written(part: Part): string {
  if (part instanceof Html) return part.text;
  if (typeof part === 'object') return part.map(({ text }) => text).join('\n');
  return escaped(String(part));
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
    .replace(/[\t\n\r]+/g, ' ')
    .replace(UNPRINTABLE, '?');
}

/** They could reorder or hide what is written. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}]/gu;
