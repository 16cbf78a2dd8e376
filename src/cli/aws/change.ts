import type { OperatorSecrets } from './operator.ts';

/** It holds no key. */
export type Change =
  | { readonly change: 'label-attached'; readonly label: string; readonly to: string }
  | { readonly change: 'label-moved'; readonly label: string; readonly from: string; readonly to: string }
  | { readonly change: 'label-detached'; readonly label: string; readonly from: string }
  | { readonly change: 'value-stored'; readonly versionId: string; readonly labels: readonly string[] }
  | { readonly change: 'kms-key-set'; readonly kmsKeyId: string }
  | { readonly change: 'tag-set'; readonly key: string; readonly value: string }
  | { readonly change: 'tag-removed'; readonly key: string }
  | { readonly change: 'rotation-started'; readonly versionId: string };

/**
 * `onChange` gets each change once the service has accepted it. What the last description has shown is no change: a
 * command that continues another one stores a value and attaches a label that are there. Neither is the removal of a
 * tag that no description has shown, which a command may try because descriptions can be old.
 */
export function recorded(secrets: OperatorSecrets, onChange: (change: Change) => void): OperatorSecrets {
  const tags = new Set<string>();
  let stages: Readonly<Record<string, readonly string[]>> = {};
  return {
    ...secrets,
    describeSecret: async (input) => {
      const output = await secrets.describeSecret(input);
      for (const { Key = '' } of output.Tags ?? []) tags.add(Key);
      stages = output.VersionIdsToStages ?? {};
      return output;
    },
    putSecretValue: async (input) => {
      const output = await secrets.putSecretValue(input);
      const versionId = output.VersionId ?? input.ClientRequestToken ?? '';
      // The first value of a secret also gets AWSCURRENT.
      const labels = output.VersionStages ?? input.VersionStages ?? ['AWSCURRENT'];
      if (stages[versionId] === undefined) onChange({ change: 'value-stored', versionId, labels });
      return output;
    },
    updateSecretVersionStage: async (input) => {
      const output = await secrets.updateSecretVersionStage(input);
      const { VersionStage: label = '', MoveToVersionId: to, RemoveFromVersionId: from } = input;
      if (to !== undefined && from !== undefined) onChange({ change: 'label-moved', label, from, to });
      else if (to !== undefined && stages[to]?.includes(label) !== true)
        onChange({ change: 'label-attached', label, to });
      else if (to === undefined && from !== undefined) onChange({ change: 'label-detached', label, from });
      return output;
    },
    updateSecret: async (input) => {
      const output = await secrets.updateSecret(input);
      onChange({ change: 'kms-key-set', kmsKeyId: input.KmsKeyId ?? '' });
      return output;
    },
    rotateSecret: async (input) => {
      const output = await secrets.rotateSecret(input);
      onChange({ change: 'rotation-started', versionId: output.VersionId ?? input.ClientRequestToken ?? '' });
      return output;
    },
    tagResource: async (input) => {
      const output = await secrets.tagResource(input);
      for (const { Key = '', Value = '' } of input.Tags ?? []) {
        tags.add(Key);
        onChange({ change: 'tag-set', key: Key, value: Value });
      }
      return output;
    },
    untagResource: async (input) => {
      const output = await secrets.untagResource(input);
      for (const key of input.TagKeys ?? []) if (tags.delete(key)) onChange({ change: 'tag-removed', key });
      return output;
    },
  };
}
