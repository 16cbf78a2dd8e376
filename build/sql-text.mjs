/** How esbuild loads a file of SQL: as its text. For every program that has the jobs of re-encryption in it. */
export const SQL_AS_TEXT = { '.sql': 'text' };
