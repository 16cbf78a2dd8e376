import { html, type Html } from './html.ts';

/** A title with `# ` is of numbers, one with `= ` of what must not be broken into lines. */
export function table(head: readonly string[], rows: readonly (readonly (string | Html)[])[]): Html {
  const kind = (index: number): string => {
    const title = head[index] ?? '';
    return title.startsWith('# ') ? 'number' : title.startsWith('= ') ? 'whole' : 'text';
  };
  return html`<table>
    <thead>
      <tr>
        ${head.map((title, index) => html`<th class="${kind(index)}">${title.replace(/^[#=] /, '')}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        (row) =>
          html`<tr>
            ${row.map((cell, index) => html`<td class="${kind(index)}">${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

export function legend(): Html {
  return html`<p class="legend">
    <span
      ><svg viewBox="0 0 22 14" aria-hidden="true"><circle class="made" cx="11" cy="7" r="3.5" /></svg>made</span
    >
    <span
      ><svg viewBox="0 0 22 14" aria-hidden="true"><rect class="encrypts" x="1" y="1" width="20" height="12" /></svg
      >encrypts</span
    >
    <span
      ><svg viewBox="0 0 22 14" aria-hidden="true">
        <rect class="encrypts estimated" x="1" y="1" width="20" height="12" /></svg
      >encrypts, estimated</span
    >
    <span
      ><svg viewBox="0 0 22 14" aria-hidden="true"><rect class="kept" x="1" y="4" width="20" height="6" /></svg>only
      decrypts</span
    >
    <span
      ><svg viewBox="0 0 22 14" aria-hidden="true"><path class="retired" d="M6 2l10 10m0 -10l-10 10" /></svg
      >retired</span
    >
  </p>`;
}
