import type { DefinedCommand } from '../command.ts';
import { ADOPT } from './adopt.ts';
import { BACKUP } from './backup.ts';
import { CENSUS } from './census.ts';
import { COLUMNS } from './columns.ts';
import { DECRYPT, ENCRYPT } from './crypt.ts';
import { DOCTOR } from './doctor.ts';
import { EVIDENCE } from './evidence.ts';
import { MAINTAIN } from './maintain.ts';
import { MOVE } from './move.ts';
import { PUT } from './put.ts';
import { REENCRYPT } from './reencrypt.ts';
import { RESTORE } from './restore.ts';
import { RESTORE_RING } from './restore-ring.ts';
import { RETIRE } from './retire.ts';
import { ROLLBACK } from './rollback.ts';
import { ROTATE } from './rotate.ts';
import { STATUS } from './status.ts';

/** Every command that calls AWS, in the order of the help text. */
export const COMMANDS: readonly DefinedCommand[] = [
  STATUS,
  DOCTOR,
  ROTATE,
  ROLLBACK,
  PUT,
  ADOPT,
  RETIRE,
  RESTORE,
  BACKUP,
  RESTORE_RING,
  MOVE,
  COLUMNS,
  CENSUS,
  REENCRYPT,
  MAINTAIN,
  EVIDENCE,
  ENCRYPT,
  DECRYPT,
];
