import type { Command } from 'commander';
import { ADOPT } from './adopt-definition.ts';
import { CENSUS } from './census-definition.ts';
import { addCommand, type Execute } from './command.ts';
import type { Census } from './commands/census.ts';
import { DECRYPT, ENCRYPT } from './crypt-definitions.ts';
import { DOCTOR } from './doctor-definition.ts';
import { PUT } from './put-definition.ts';
import { REENCRYPT } from './reencrypt-definition.ts';
import { RESTORE } from './restore-definition.ts';
import { retire } from './retire-definition.ts';
import { ROLLBACK } from './rollback-definition.ts';
import { ROTATE } from './rotate-definition.ts';
import { STATUS } from './status-definition.ts';

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
