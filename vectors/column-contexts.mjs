// Contexts of encrypted columns: what they are for one row, or the error of making such a column.

const ROW = { id: '7', tenant: 'north {1}' };

const made = (context, of) => ({ context, row: ROW, of });
const refused = (error, ...contexts) => contexts.map((context) => ({ context, error }));

export const columnContexts = [
  made('patients.notes', 'patients.notes'),
  made('patients:{id}:notes', 'patients:7:notes'),
  made('{id}', '7'),
  made('{tenant}{id}{id}', 'north {1}77'),
  made('a {{id}} {{{id}}}', 'a {id} {7}'),
  made(' ', ' '),
  made('pati\u00EBnten:{id}:\u{1F600}', 'pati\u00EBnten:7:\u{1F600}'),
  ...refused('INVALID_COLUMN', '{', '}', '{}', 'patients:{id:notes', 'patients:id}:notes', '{i{d}}', 'a{{}b'),
  ...refused('INVALID_SETTINGS', '', null, 7, true, ['patients.notes'], { id: 7 }),
];
