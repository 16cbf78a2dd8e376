import { listOf, NEXT, object, TEXT, type Schema } from './shapes.ts';

/**
 * The `--json` output of each command (JSON Schema, draft 7). Members are added, never renamed or removed.
 * `additionalProperties` is false, so that tests notice an undocumented member.
 */

const CHANGE = {
  oneOf: [
    object({ change: { const: 'label-attached' }, label: TEXT, to: TEXT }),
    object({ change: { const: 'label-moved' }, label: TEXT, from: TEXT, to: TEXT }),
    object({ change: { const: 'label-detached' }, label: TEXT, from: TEXT }),
    object({ change: { const: 'value-stored' }, versionId: TEXT, labels: listOf(TEXT) }),
    object({ change: { const: 'kms-key-set' }, kmsKeyId: TEXT }),
    object({ change: { const: 'tag-set' }, key: TEXT, value: TEXT }),
    object({ change: { const: 'tag-removed' }, key: TEXT }),
    object({ change: { const: 'rotation-started' }, versionId: TEXT }),
  ],
};

/** A result or an error, and the changes. */
export function jsonSchema({ name, result }: { readonly name: string; readonly result: Schema }): Schema {
  const around = { command: { const: name }, changes: listOf(CHANGE), warnings: listOf(TEXT) };
  const dryRun = { dryRun: { const: true } };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: `pazpaz-keys ${name} --json`,
    oneOf: [
      object({ ...around, result }, { ...dryRun, next: NEXT }),
      object({ ...around, error: object({ code: TEXT, message: TEXT }, { next: NEXT }) }, dryRun),
    ],
  };
}
