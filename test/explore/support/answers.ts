import type { Behaviour, ServiceState } from '../../../src/local/service/state.ts';
import type { Call } from './program.ts';
import { callService, type Answered } from './service-calls.ts';
import { contextOf, nameOfSecret, secretOf } from './world.ts';

/**
 * The local service's answers, each asked for once. Equal states are the same object here, as equal calls are (see
 * `Histories`), so that most moves of an exploration are looked up and not performed.
 */
export class Answers {
  readonly #behaviour: Behaviour;
  readonly #states = new Map<string, ServiceState>();
  /** The day of each state that is the one object for it. */
  readonly #dayOf = new WeakMap<ServiceState, number>();
  readonly #known = new WeakMap<ServiceState, Map<Call, Answered>>();

  constructor(behaviour: Behaviour) {
    this.#behaviour = behaviour;
  }

  /** The one object for this state on this day. */
  sameOf(service: ServiceState, day: number): ServiceState {
    if (this.#dayOf.get(service) === day) return service;
    const name = `${day}\n${nameOfSecret(secretOf(service))}`;
    const same = this.#states.get(name) ?? service;
    if (same === service) {
      this.#states.set(name, service);
      this.#dayOf.set(service, day);
    }
    return same;
  }

  /** Calls the service; `service` must be the one object for its state. */
  answer(service: ServiceState, call: Call, day: number): Answered {
    const known = this.#known.get(service) ?? new Map<Call, Answered>();
    this.#known.set(service, known);
    let answered = known.get(call);
    if (answered === undefined) {
      const { service: after, reply } = callService(service, call, contextOf(this.#behaviour, day));
      answered = { service: this.sameOf(after, day), reply };
      known.set(call, answered);
    }
    return answered;
  }
}
