import { RingKeys } from '../../src/data/ring-keys.ts';
import { RingWorld, SECRET } from '../ring/ring-world.ts';

export { RingWorld };

/** The ring as the operator's commands read it. */
export function ringKeys(world: RingWorld): Promise<RingKeys> {
  return RingKeys.open(world.source(), SECRET);
}
