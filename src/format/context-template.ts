import { KeyRotationError } from './error.ts';

/**
 * The context of a column's rows, such as `patients:{id}:notes`: text, and columns of the row in braces, each as
 * PostgreSQL casts it to text. A brace of the text itself is doubled.
 */
export interface ContextTemplate {
  readonly source: string;
  /** The texts before, between and after the columns: one more than there are columns. */
  readonly texts: readonly string[];
  readonly columns: readonly string[];
}

/** Throws `INVALID_COLUMN` for a brace without its pair or without a name in it. */
export function contextTemplate(source: string): ContextTemplate {
  const texts: string[] = [''];
  const columns: string[] = [];
  for (const token of source.match(/\{\{|\}\}|\{[^{}]*\}|[^{}]+|[{}]/g) ?? []) {
    const column = /^\{([^{}]*)\}$/.exec(token)?.[1];
    if (column === '' || token === '{' || token === '}') throw invalidTemplate(source);
    if (column === undefined)
      texts.push(`${texts.pop() ?? ''}${token === '{{' || token === '}}' ? token.slice(1) : token}`);
    else {
      columns.push(column);
      texts.push('');
    }
  }
  return { source, texts, columns };
}

/** `values`: one for each of `columns`. Returns `undefined` where one is NULL. */
export function contextOf(
  { texts }: ContextTemplate,
  values: readonly (string | null | undefined)[],
): string | undefined {
  let context = texts[0] ?? '';
  for (let index = 1; index < texts.length; index += 1) {
    const value = values[index - 1];
    if (value === null || value === undefined) return undefined;
    context += value + (texts[index] ?? '');
  }
  return context;
}

/** Whether other values give the same context: `a:{x}:{y}` has one context for `1`, `2:3` and for `1:2`, `3`. */
export function isAmbiguous({ texts }: ContextTemplate, values: readonly string[]): boolean {
  return values.slice(0, -1).some((value, index) => {
    const end = texts[index + 1] ?? '';
    return `${value}${end}`.indexOf(end) !== value.length;
  });
}

function invalidTemplate(source: string): KeyRotationError {
  return new KeyRotationError(
    'INVALID_COLUMN',
    `The context ${JSON.stringify(source)} is not a template: expected text with columns of the row in braces, such as ` +
      'patients:{id}:notes. A brace that belongs to the text is written twice: {{ or }}.',
  );
}
