import type { Command } from 'commander';
import { ADOPT } from './adopt.ts';
import { CENSUS } from './census.ts';
import { addCommand, type Execute } from '../command.ts';
import type { Census } from '../rows/row-count.ts';
import { DECRYPT, ENCRYPT } from './crypt.ts';
import { DOCTOR } from './doctor.ts';
import { PUT } from './put.ts';
import { REENCRYPT } from './reencrypt.ts';
import { RESTORE } from './restore.ts';
import { retire } from './retire.ts';
import { ROLLBACK } from './rollback.ts';
import { ROTATE } from './rotate.ts';
import { STATUS } from './status.ts';

/** Adds every command that asks AWS. */
export function addCommands(program: Command, execute: Execute, census: Census): void {
  addCommand(program, STATUS, execute);
  addCommand(program, DOCTOR, execute);
  addCommand(program, ROTATE, execute);
  addCommand(program, ROLLBACK, execute);
  addCommand(program, PUT, execute);
  addCommand(program, ADOPT, execute);
  addCommand(program, retire(census), execute);
  addCommand(program, RESTORE, execute);
  addCommand(program, CENSUS, execute);
  addCommand(program, REENCRYPT, execute);
  addCommand(program, ENCRYPT, execute);
  addCommand(program, DECRYPT, execute);
}
