import type { Evidence } from './evidence.ts';
import { html, type Html } from './html.ts';

/** The report as one page of HTML without scripts and without references. `hash`: of its `evidence.json`. */
export function page(evidence: Evidence, hash: string): string {
  return document(evidence, hash).text;
}

function document({ secret, verdict }: Evidence, hash: string): Html {
  return html`<!doctype html>
    <html lang="en">
      <title>${secret.name}</title>
      <h1>${verdict.sentence}</h1>
      <p>${hash}</p>
    </html> `;
}
