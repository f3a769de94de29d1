"""The style sheet of a report: system fonts, one column, tables that scroll on a small screen, light and printable."""

SHEET = """
:root { --ink: #1f2328; --quiet: #5c6670; --line: #dde1e6; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .6rem; padding-top: .6rem; border-top: 1px solid var(--line); }
p { margin: .6rem 0; max-width: 46rem; }
.lead { font-size: 1.1rem; color: var(--quiet); }
nav { margin: 1rem 0; } nav a { color: var(--accent); margin-right: 1.2rem; white-space: nowrap; }
figure { margin: 1.2rem 0; }
figcaption { color: var(--quiet); font-size: .9rem; margin-top: .4rem; max-width: 46rem; }
img { max-width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .93rem; }
th, td { padding: .35rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { vertical-align: bottom; border-bottom: 2px solid var(--ink); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.number { font-variant-numeric: tabular-nums; }
.unit { display: block; color: var(--quiet); font-weight: 400; font-size: .85em; }
footer { margin-top: 2.5rem; padding-top: .8rem; border-top: 1px solid var(--line); }
footer { color: var(--quiet); font-size: .85rem; }
"""
