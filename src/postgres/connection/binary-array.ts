/** Numbers of PostgreSQL's own types (pg_type.dat): they never change. */
const BYTEA = 17;
const TEXT = 25;

/**
 * A one-dimensional array as PostgreSQL receives it in binary (`array_recv`): dimensions, flags, element type, length and
 * lower bound, then each element behind its length. As text a `bytea[]` would be twice as long and take several times
 * as long to write and to read.
 */
export function byteaArray(elements: readonly Uint8Array[]): Buffer {
  return binaryArray(BYTEA, elements);
}

export function textArray(elements: readonly (string | Uint8Array)[]): Buffer {
  return binaryArray(
    TEXT,
    elements.map((element) => (typeof element === 'string' ? Buffer.from(element) : element)),
  );
}

function binaryArray(type: number, elements: readonly Uint8Array[]): Buffer {
  const size = elements.reduce((total, element) => total + 4 + element.length, 0);
  const array = Buffer.allocUnsafe(20 + size);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(0, 4);
  array.writeInt32BE(type, 8);
  array.writeInt32BE(elements.length, 12);
  array.writeInt32BE(1, 16);
  let offset = 20;
  for (const element of elements) {
    offset = array.writeInt32BE(element.length, offset);
    array.set(element, offset);
    offset += element.length;
  }
  return array;
}
