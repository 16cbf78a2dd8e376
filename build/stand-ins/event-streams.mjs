// The SDK's protocol loads its codec for event streams when an operation has one. No operation of Secrets Manager does ('Actions'
// in its API reference: each answers with one JSON document), so this is never called.
export class EventStreamSerde {
  constructor() {
    throw new Error('Event streams are left out of this bundle: no operation of Secrets Manager uses them.');
  }
}
export const eventStreamSerdeProvider = undefined;
