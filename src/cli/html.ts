import { printable } from './output.ts';

/** Text that is put into a page. Nothing else is: what is not escaped here was made here. */
export interface Html {
  readonly html: string;
}

type Part = string | number | Html | readonly Html[] | null | undefined | false;

/**
 * A piece of HTML. Everything that is put in is escaped, unless it is such a piece itself; characters that steer a terminal or
 * turn the direction of text are written out. Only for text between tags and for attributes in double quotes.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { html: strings.map((fixed, n) => (n === 0 ? fixed : asHtml(parts[n - 1]) + fixed)).join('') };
}

function asHtml(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (typeof part === 'string' || typeof part === 'number') return escape(String(part));
  return 'html' in part ? part.html : part.map((each) => each.html).join('\n');
}

const NAMES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Line breaks stay: policies have them. */
function escape(text: string): string {
  const shown = text.split('\n').map(printable).join('\n');
  return shown.replace(/[&<>"']/g, (char) => NAMES[char] ?? '');
}

/** A page on its own: no script, nothing that is loaded, and a policy that says so to whatever shows it. */
export function page(title: string, body: Html): string {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <style>
          ${{ html: STYLE }}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html> `.html;
}

const STYLE = `
:root { color-scheme: light; --ink: #1b2330; --soft: #5b6675; --line: #d8dee6; --ground: #f5f7fa; --good: #1d6b43; --bad: #a12626; --accent: #23508e; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.5rem 4rem; color: var(--ink); background: #fff; font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .3rem; border-bottom: 2px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .3rem; overflow-wrap: anywhere; }
p, li { margin: .4rem 0; overflow-wrap: anywhere; }
.soft, small { color: var(--soft); }
code, pre, .mono { font: 12.5px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; }
pre { margin: .4rem 0; padding: .6rem .8rem; background: var(--ground); border: 1px solid var(--line); border-radius: 5px; white-space: pre-wrap; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; font-size: 13.5px; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { font-weight: 600; color: var(--soft); white-space: nowrap; }
.key { white-space: nowrap; }
.time { font: 11.5px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .9rem; margin: .3rem 0; font-size: 13.5px; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; min-width: 0; }
.step { border-left: 3px solid var(--line); padding: .15rem 0 .5rem 1rem; margin: 0 0 .5rem; break-inside: avoid; }
.step.failed { border-left-color: var(--bad); }
.step.decision, .step.call { border-left-color: var(--accent); }
.step.credential { border-left-color: var(--good); }
.step.failed.decision, .step.failed.call, .step.failed.credential { border-left-color: var(--bad); }
.step h3 { margin: 0; }
.tag { display: inline-block; white-space: nowrap; padding: 0 .45rem; margin-right: .35rem; border: 1px solid var(--line); border-radius: 9px; font-size: 11.5px; color: var(--soft); background: var(--ground); }
.tag.bad { color: var(--bad); border-color: var(--bad); background: #fff; }
.tag.good { color: var(--good); border-color: var(--good); background: #fff; }
.note { padding: .5rem .8rem; background: #fff8e6; border: 1px solid #ecd9a0; border-radius: 5px; margin: .6rem 0; }
@page { margin: 16mm 14mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10.5pt; }
  h2, h3 { break-after: avoid; }
  table { font-size: 9pt; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  pre { font-size: 8.5pt; }
  .time { font-size: 7.5pt; }
  .note, .tag { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}`;
