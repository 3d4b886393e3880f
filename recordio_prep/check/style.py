"""The look of the check's page: light and dark, from a 320-pixel phone to a wide screen."""

STYLE = """
:root { color-scheme: light dark; --paper: #f5f2ec; --card: #fffdf9; --ink: #1f1d1a;
  --quiet: #665f56; --line: #e3ddd1; --accent: #1c6b52; --bar: #7fae9b; --track: #ebe6db;
  --error: #a52a1f; --error-soft: #fae6e2; --warning: #8a4b10; --warning-soft: #fbeede;
  --note: #4d5a66; --note-soft: #e8edf0; }
@media (prefers-color-scheme: dark) { :root { --paper: #131513; --card: #1c1f1c; --ink: #efece5;
  --quiet: #a9a69c; --line: #31352f; --accent: #6fcfa8; --bar: #4c8b73; --track: #2a2e29;
  --error: #ff9d8f; --error-soft: #3d201c; --warning: #f0b377; --warning-soft: #38291b;
  --note: #b3c1cc; --note-soft: #262d32; } }
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
h3 { font-size: 1rem; margin-top: 20px; }
a { color: inherit; text-decoration-color: var(--accent); text-underline-offset: 3px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.brand { margin-bottom: 12px; color: var(--accent); font-weight: 650; }
.quiet { color: var(--quiet); font-size: .92rem; }
.intro { margin-top: 6px; max-width: 68ch; color: var(--quiet); }
.tiles { display: grid; gap: 12px; margin: 24px 0;
  grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tiles > div, section, .calm { border: 1px solid var(--line); border-radius: 16px;
  background: var(--card); }
.tiles > div { padding: 14px 16px; }
dt { color: var(--quiet); font-size: .92rem; }
.tiles dd:not(.quiet) { font-size: 1.7rem; font-weight: 650; letter-spacing: -.02em;
  line-height: 1.25; font-variant-numeric: tabular-nums; }
section { margin-top: 20px; padding: clamp(16px, 2.5vw, 26px); scroll-margin-top: 16px; }
section > * + *, section > div > * + div { margin-top: 14px; }
.calm { padding: 10px 14px; }
.problems { display: grid; gap: 10px; list-style: none; }
.problems li { display: grid; grid-template-columns: 5.6rem 1fr; gap: 12px; align-items: start;
  padding: 12px 14px; border-radius: 12px; }
.problems a { font-weight: 600; }
.badge { font-size: .85rem; font-weight: 700; line-height: 1.75; }
.error { background: var(--error-soft); } .error .badge { color: var(--error); }
.warning { background: var(--warning-soft); } .warning .badge { color: var(--warning); }
.note { background: var(--note-soft); } .note .badge { color: var(--note); }
.families { display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
article { padding: 12px; border: 1px solid var(--line); border-radius: 12px; }
.row { display: grid; gap: 14px 12px; margin-top: 10px;
  grid-template-columns: repeat(auto-fill, minmax(118px, 1fr)); }
figure img { display: block; width: 100%; max-width: 168px; height: auto; aspect-ratio: 1;
  border-radius: 8px; background: var(--track); }
figcaption { margin-top: 6px; font-size: .86rem; line-height: 1.35; }
figcaption > * { display: block; }
figcaption em { font-style: normal; }
.path { color: var(--quiet); font: .8rem/1.35 ui-monospace, Menlo, Consolas, monospace; }
details { padding: 8px 0; border-top: 1px solid var(--line); }
summary { cursor: pointer; font-weight: 600; }
details ul { margin: 8px 0 0 20px; }
.scroll { overflow-x: auto; margin-top: 10px; }
table { width: 100%; border-collapse: collapse; font-size: .93rem; }
caption { padding-bottom: 4px; color: var(--quiet); font-size: .88rem; text-align: left; }
th, td { padding: 4px 10px 4px 0; text-align: left; }
td { font-variant-numeric: tabular-nums; }
td:last-child, thead th:last-child { padding-right: 0; text-align: right; }
thead th { color: var(--quiet); font-size: .85rem; font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 500; }
tbody tr { border-top: 1px solid var(--line); }
.bar { display: block; width: 100%; min-width: 70px; height: 8px; border-radius: 4px; }
.track { fill: var(--track); } .filled { fill: var(--bar); }
td:has(.bar) { width: 50%; }
.columns { display: grid; gap: 8px 32px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 290px), 1fr)); }
@media (max-width: 460px) { .problems li { grid-template-columns: 1fr; gap: 2px; } }
@media (prefers-contrast: more) { :root { --quiet: var(--ink); --line: var(--ink); } }
@media print { section, article { break-inside: avoid-page; } body { background: none; } }
"""
