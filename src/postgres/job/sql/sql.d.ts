/** A file of SQL, as its text: build/tool.mjs and jest.config.mjs load it so. */
declare module '*.sql' {
  const text: string;
  export default text;
}
