import type { Paint } from './paint.ts';

export interface TableColumn {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly isNumber?: true;
}

/** A title and a line for each row, in columns as wide as their widest cell. */
export function tableLines(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string[] {
  const widths = columns.map(({ title }, column) =>
    Math.max(title.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ isNumber }, column) => {
        const [cell = '', width = 0] = [cells[column], widths[column]];
        return isNumber === true ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [paint.faint(line(columns.map(({ title }) => title))), ...rows.map(line)];
}

/** Orders the labels of a version: numbers before the labels of AWS. */
export function numberingFirst(a: string, b: string): number {
  return Number(a.startsWith('AWS')) - Number(b.startsWith('AWS')) || a.localeCompare(b);
}

/** Such as `1 year` and `1,200 rows`. */
export function count(number: number, what: string): string {
  return `${grouped(number)} ${what}${number === 1 ? '' : 's'}`;
}

export function grouped(number: number): string {
  return number.toLocaleString('en-US');
}
