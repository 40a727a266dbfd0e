/** Colours of overlays, in pictures (red, green, blue) and in CSS alike. */
export const OVERLAY_COLOURS = {
  hit: [24, 180, 160],
  missed: [226, 60, 200],
  extra: [255, 176, 0],
} as const;

const css = ([r, g, b]: readonly [number, number, number]) => `rgb(${r} ${g} ${b})`;

export const REPORT_STYLE = `
:root { color-scheme: light dark; --text: #1b1d20; --soft: #646b73; --ground: #fff; --card: #f5f6f7; --line: #dcdfe3;
  --target: #1e62d0; --validation: #7a828b; --solid: #0b7d6e; --prior: #c2410c; --best: #e6f0ff;
  --hit: ${css(OVERLAY_COLOURS.hit)}; --missed: ${css(OVERLAY_COLOURS.missed)}; --extra: ${css(OVERLAY_COLOURS.extra)}; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e8ea; --soft: #9ba3ab; --ground: #15171a; --card: #1d2024; --line: #343a40;
  --target: #78a9ff; --validation: #98a1aa; --solid: #3fc3ae; --prior: #ff9a5c; --best: #1d3557; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 1180px; font: 16px/1.55 system-ui, "Segoe UI", sans-serif;
  color: var(--text); background: var(--ground); }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .6rem; } h3 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p, ul, dl { max-width: 74ch; margin: .6rem 0; } dt { font-weight: 600; margin-top: .5rem; } dd { margin: 0 0 0 1.2rem; }
.lead { font-size: 1.05rem; } .soft, .none { color: var(--soft); } .meta { color: var(--soft); margin: 0 0 1.5rem; font-size: .9rem; }
.result { border-left: 3px solid var(--target); padding: .1rem 0 .1rem 1rem; margin: 1rem 0; } .result ul { margin: .2rem 0; padding-left: 1.2rem; }
figure { margin: 1.2rem 0; } figcaption { max-width: 80ch; font-size: .9rem; margin-bottom: .6rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .7rem; text-align: left; border-top: 1px solid var(--line); white-space: nowrap; }
thead th, thead td { border-top: 0; font-weight: 600; font-size: .84rem; color: var(--soft); vertical-align: bottom; }
tbody tr:last-child > * { border-bottom: 1px solid var(--line); }
th[scope=row] { font-weight: 500; } .num { text-align: right; } .apart { border-left: 1px solid var(--line); }
.best { font-weight: 700; background: var(--best); } .dev { color: var(--soft); font-weight: 400; font-size: .86em; }
.matrices { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; } .matrix caption { text-align: left; font-weight: 600; padding-bottom: .2rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 350px), 1fr)); gap: 1rem; }
.card { background: var(--card); border-radius: 8px; padding: .8rem .9rem .5rem; margin: 0; }
.card figcaption { font-weight: 600; margin: 0 0 .3rem; } .card figcaption span { font-weight: 400; color: var(--soft); }
svg { display: block; width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: var(--soft); }
svg .axis { font-weight: 600; } svg .mark { font-weight: 700; fill: var(--text); letter-spacing: .5px; }
path { fill: none; stroke-width: 1.8; stroke-linejoin: round; } .grid { stroke: var(--line); } .pick { stroke: var(--soft); stroke-width: .8; stroke-dasharray: 2 2; opacity: .7; }
path.target { stroke: var(--target); } circle.target { fill: var(--target); } path.validation { stroke: var(--validation); stroke-dasharray: 4 3; stroke-width: 1.4; }
circle.validation { fill: none; } path.solid { stroke: var(--solid); } circle.solid { fill: var(--solid); } .prior { stroke: var(--prior); stroke-width: 1.4; stroke-dasharray: 6 3; }
.key { white-space: nowrap; margin-right: 1rem; } .key::before { content: ""; display: inline-block; width: 18px; height: 3px; margin-right: .4rem; vertical-align: middle; background: var(--c); }
.swatch::before { width: 12px; height: 12px; border-radius: 2px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 205px), 1fr)); gap: .8rem; margin: .6rem 0 1.6rem; }
.pictures figure { margin: 0; } .pictures figcaption { margin: .3rem 0 0; line-height: 1.35; }
.layers.em { background-image: var(--em); } .layers { position: relative; border-radius: 4px; overflow: hidden; background-size: 100% 100%; } .layers img { display: block; width: 100%; }
details { margin: .6rem 0; } summary { cursor: pointer; font-weight: 500; } details table { margin: .5rem 0 1rem; } details td { white-space: normal; overflow-wrap: anywhere; padding: .15rem .7rem; }
code { font: .88em ui-monospace, Menlo, Consolas, monospace; background: var(--card); padding: .1em .35em; border-radius: 4px; overflow-wrap: anywhere; }
@media print { body { max-width: none; } details > * { display: block; } }
`;
