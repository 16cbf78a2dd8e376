import { grouped } from '../cli/rows/census-screen.ts';
import { tableLines as aligned } from '../cli/terminal/table.ts';
import type { Paint } from './paint.ts';

export interface TableColumn {
  readonly title: string;
  readonly isNumber?: true;
}

/** The columns are as wide as their widest cell. */
export function tableLines(
  columns: readonly TableColumn[],
  rows: readonly (readonly string[])[],
  paint: Paint,
): string[] {
  const titles = columns.map(({ title }) => title);
  const numbers = columns.flatMap(({ isNumber }, index) => (isNumber === true ? [index] : []));
  const [head = '', ...lines] = aligned(titles, rows, numbers);
  return [paint.faint(head), ...lines];
}

/** Numbers before the labels of AWS. */
export function numberingFirst(a: string, b: string): number {
  return Number(a.startsWith('AWS')) - Number(b.startsWith('AWS')) || a.localeCompare(b);
}

/** Such as `1 year` and `1,200 rows`. */
export function count(number: number, what: string): string {
  return `${grouped(number)} ${what}${number === 1 ? '' : 's'}`;
}
