// To tell what kind of body an answer has, the SDK touches the global ReadableStream, and Node then loads all of its
// web streams, at 2 ms of a cold start. Over node:http, the client's only way out, a body is always a Node stream.
export const isReadableStream = () => false;
export const isBlob = () => false;
