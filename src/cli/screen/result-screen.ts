import type { AdoptResult } from '../commands/adopt.ts';
import type { CleanUpResult } from '../commands/clean-up.ts';
import type { PutResult } from '../commands/put.ts';
import type { RestoreResult } from '../commands/restore.ts';
import type { RetireResult } from '../commands/retire.ts';
import type { RollbackResult } from '../commands/rollback.ts';
import type { RotateResult } from '../commands/rotate.ts';

/** One sentence for each result; the changes stand below it. */
export function putLine({ number, versionId, isCurrent, wasThere }: PutResult): string {
  const name = number === 0 ? `version ${versionId}` : `key ${number} (version ${versionId})`;
  if (isCurrent) return wasThere ? `This is ${name}, which is current already.` : `Now ${name} is current.`;
  return wasThere ? `This is ${name}, which is on the ring already.` : `Now ${name} is on the ring, and only reads.`;
}

export function adoptLine({ rescued }: AdoptResult): string {
  return rescued === undefined
    ? 'Every key in use has a number.'
    : `Version ${rescued.versionId} can be read as key ${rescued.number}; every key in use has a number.`;
}

export function rollbackLine({ outcome, currentNumber, leftNumber }: RollbackResult): string {
  const newer = leftNumber === 0 ? 'The version that was left holds no key.' : `Key ${leftNumber} goes on reading.`;
  return outcome === 'rolled back'
    ? `Now key ${currentNumber} is current again. ${newer}`
    : `Key ${currentNumber} is current already, and key ${leftNumber}, which is newer, was left. To make that one current again: pazpaz-keys rollback --undo.`;
}

export function retireLine({ retired, alreadyRetired }: RetireResult): string {
  const now =
    retired.length === 0
      ? ''
      : `Retired: ${list(retired.map(({ number }) => number))}. Until AWS deletes it, 'pazpaz-keys restore' brings a key back.`;
  const before = alreadyRetired.length === 0 ? '' : `Not on the ring any more: ${list(alreadyRetired)}.`;
  return [now, before].filter((sentence) => sentence !== '').join(' ');
}

export function restoreLine({ numbers, versionId, wasThere }: RestoreResult): string {
  return wasThere
    ? `${capital(list(numbers))} is on the ring (version ${versionId}).`
    : `${capital(list(numbers))} is back on the ring (version ${versionId}).`;
}

export function rotateLine({ versionId, outcome, wasSwitchedOff }: RotateResult): string {
  const off = wasSwitchedOff ? ' Rotation was off; this switches it on.' : '';
  return outcome === 'started'
    ? `A rotation has started (version ${versionId}).${off}`
    : `An earlier rotation is unfinished; AWS runs it again (version ${versionId}).${off}`;
}

export function cleanUpLine({ versionId }: CleanUpResult): string {
  return versionId === undefined
    ? 'No rotation is under way or left over.'
    : `AWSPENDING is off version ${versionId}: that rotation is over.`;
}

function list(numbers: readonly number[]): string {
  return `key${numbers.length === 1 ? '' : 's'} ${numbers.join(', ')}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
