/** ISO 8601 in UTC: anyone with the right to tag may have written something else. */
export function tagDate(text: string): string | undefined {
  return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : undefined;
}
