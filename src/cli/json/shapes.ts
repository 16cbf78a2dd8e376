/** Draft 7. */
export type Schema = Readonly<Record<string, unknown>>;

export const TEXT: Schema = { type: 'string' };
export const COUNT: Schema = { type: 'integer', minimum: 0 };
export const YES_OR_NO: Schema = { type: 'boolean' };
export const DATE: Schema = { type: 'string', pattern: '^\\d{4}-\\d{2}-\\d{2}' };

export const listOf = (items: Schema): Schema => ({ type: 'array', items });
export const oneOf = (...values: readonly string[]): Schema => ({ enum: values });
export const described = (description: string, schema: Schema): Schema => ({ description, ...schema });

/** With no other members. */
export function object(
  required: Readonly<Record<string, Schema>>,
  optional: Readonly<Record<string, Schema>> = {},
): Schema {
  return {
    type: 'object',
    required: Object.keys(required),
    properties: { ...required, ...optional },
    additionalProperties: false,
  };
}

export const NEXT = listOf(TEXT);

export const RETIRED = { number: COUNT, versionId: TEXT, date: DATE };
