"""The look of the report: light and dark, from a 320-pixel phone to a wide screen."""

STYLE = """
:root { color-scheme: light dark; --paper: #f5f2ec; --card: #fffdf9; --ink: #1f1d1a;
  --quiet: #665f56; --line: #e3ddd1; --accent: #1c6b52; --second: #b0571a; --track: #ebe6db; }
@media (prefers-color-scheme: dark) { :root { --paper: #131513; --card: #1c1f1c; --ink: #efece5;
  --quiet: #a9a69c; --line: #31352f; --accent: #6fcfa8; --second: #f0a56b; --track: #2a2e29; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; padding: clamp(20px, 4vw, 48px) clamp(14px, 4vw, 40px); background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  overflow-wrap: anywhere; }
header, main { max-width: 1080px; margin-inline: auto; }
h1, h2, h3, p, dl, dd, figure, ul { margin: 0; padding: 0; }
h1 { font-size: clamp(1.6rem, 1.1rem + 2.4vw, 2.5rem); letter-spacing: -.025em; line-height: 1.15;
  text-wrap: balance; }
h2 { font-size: 1.3rem; letter-spacing: -.01em; line-height: 1.3; }
a { color: inherit; text-decoration-color: var(--accent); text-underline-offset: 3px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.brand { margin-bottom: 12px; color: var(--accent); font-weight: 650; }
.quiet, .intro { color: var(--quiet); }
.quiet { font-size: .92rem; }
.intro { margin-top: 6px; max-width: 68ch; }
nav { margin-top: 14px; }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; list-style: none; }
.tiles { display: grid; gap: 12px; margin: 24px 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tiles > div, section { border: 1px solid var(--line); border-radius: 16px;
  background: var(--card); }
.tiles > div { padding: 14px 16px; }
dt { color: var(--quiet); font-size: .92rem; }
.tiles dd:not(.quiet) { font-size: 1.7rem; font-weight: 650; letter-spacing: -.02em;
  line-height: 1.25; font-variant-numeric: tabular-nums; }
section { margin-top: 20px; padding: clamp(16px, 2.5vw, 26px); scroll-margin-top: 16px; }
section > * + * { margin-top: 14px; }
.plots { display: grid; gap: 20px 28px; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.plots > figure { max-width: 520px; }
.plot { display: block; width: 100%; height: auto; }
.plot text { font-family: inherit; }
.few { max-width: 560px; }
.wide .plot { min-width: 720px; }
.plots > .scroll { min-width: 0; }
figcaption { margin-top: 6px; font-size: .88rem; line-height: 1.4; }
figcaption > * { display: block; }
.row { display: grid; gap: 18px 14px;
  grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); }
.row img, .none { display: block; width: 100%; max-width: 190px; aspect-ratio: 1;
  border-radius: 8px; background: var(--track); object-fit: contain; }
.none { padding: 12px; color: var(--quiet); font-size: .88rem; }
.path { color: var(--quiet); font: .8rem/1.35 ui-monospace, Menlo, Consolas, monospace; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .93rem; }
caption { padding-bottom: 4px; color: var(--quiet); font-size: .88rem; text-align: left; }
th, td { padding: 4px 14px 4px 0; text-align: left; vertical-align: top;
  overflow-wrap: break-word; }
th:last-child, td:last-child { padding-right: 0; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
thead th { color: var(--quiet); font-size: .85rem; font-weight: 600; vertical-align: bottom; }
tbody th, tfoot th { min-width: 7rem; font-weight: 500; }
td:not(.figure) { min-width: 7rem; }
tbody tr { border-top: 1px solid var(--line); }
tfoot tr:first-child { border-top: 2px solid var(--line); }
@media (max-width: 460px) { th, td { padding-right: 10px; }
  tbody th, tfoot th { min-width: 5.4rem; } td:not(.figure) { min-width: 6rem; } }
@media (prefers-contrast: more) { :root { --quiet: var(--ink); --line: var(--ink); } }
@media print { section, figure { break-inside: avoid-page; } body { background: none; } }
"""
