/** For a screen and for paper. */
export const STYLE = `
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 15px/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; color: #1c2430; background: #fff; max-width: 820px; margin: 0 auto; padding: 24px 28px 40px; overflow-wrap: anywhere; }
header p { margin: 0; color: #566070; }
h1 { font-size: 22px; line-height: 1.3; margin: 14px 0 10px; }
h2 { font-size: 17px; margin: 30px 0 6px; padding-top: 10px; border-top: 1px solid #c8d0da; break-after: avoid; }
h3 { font-size: 14px; margin: 18px 0 4px; break-after: avoid; }
p { margin: 6px 0; }
.verdict { border: 1px solid #8aa; border-left: 8px solid #2c7a4b; padding: 4px 16px 10px; margin: 12px 0; break-inside: avoid; }
.verdict.overdue { border-left-color: #b3261e; }
.verdict h3 { margin-top: 10px; }
ul { margin: 4px 0; padding-left: 20px; }
.facts { display: grid; grid-template-columns: repeat(4, minmax(0, 1fr)); gap: 10px; margin: 14px 0; }
.facts div { border: 1px solid #c8d0da; padding: 8px 10px; break-inside: avoid; }
.facts b { display: block; font-size: 16px; }
.facts span { color: #566070; font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-size: 13px; margin: 8px 0; }
th { text-align: left; border-bottom: 1.5px solid #566070; padding: 4px 8px 4px 0; vertical-align: bottom; white-space: nowrap; }
td { border-bottom: 1px solid #dde3ea; padding: 4px 8px 4px 0; vertical-align: top; overflow-wrap: anywhere; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.whole, td .whole { white-space: nowrap; }
tr { break-inside: avoid; }
thead { display: table-header-group; }
code { font: 12px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
code.id { font-size: 11px; white-space: nowrap; }
.good { color: #1d6338; font-weight: 600; }
.wrong { color: #b3261e; font-weight: 600; }
.note { color: #566070; font-size: 13px; }
svg { width: 100%; height: auto; margin: 8px 0 2px; break-inside: avoid; font: 12px system-ui, "Segoe UI", Roboto, Arial, sans-serif; -webkit-print-color-adjust: exact; print-color-adjust: exact; }
svg .name { font-weight: 600; }
svg .date { fill: #566070; font-size: 11px; }
svg .tick { stroke: #dde3ea; }
svg .now { stroke: #1c2430; }
svg .next { stroke: #9a5b00; stroke-dasharray: 4 3; }
svg .late { stroke: #b3261e; stroke-dasharray: 4 3; }
svg text.now, svg text.next, svg text.late { stroke: none; }
svg text.next { fill: #9a5b00; }
svg text.late { fill: #b3261e; font-weight: 600; }
svg .kept { fill: #b9c6d6; }
svg .encrypts { fill: #1f4e8c; stroke: #1f4e8c; }
svg .estimated { stroke: #fff; stroke-dasharray: 3 3; }
svg .bad { fill: #b3261e; }
svg .made { fill: #fff; stroke: #1c2430; stroke-width: 1.5; }
svg .retired { stroke: #b3261e; stroke-width: 2; fill: none; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 12px; color: #3a4454; }
.legend svg { width: 22px; height: 14px; margin: 0 5px 0 0; vertical-align: -2px; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 14px; font-size: 13px; margin: 8px 0; }
dt { font-weight: 600; }
dd { margin: 0; }
@media print {
  @page { size: A4; margin: 14mm 13mm; }
  body { font-size: 10.5pt; max-width: none; padding: 0; }
  h1 { font-size: 15pt; }
  table, dl { font-size: 9pt; }
  code.id { font-size: 7.5pt; }
}
`;
