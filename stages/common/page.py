"""Make the template of DVC's page of plots: works offline, tells the projects in order.

DVC's own page fetches its drawing scripts from the network and puts pictures after curves. This
template carries the scripts, from the installed package vl-convert-python, and puts everything in
the order of the `plots:` section of dvc.yaml. `make plots` makes it and tells DVC of it.
"""

import argparse
import json
from pathlib import Path

import vl_convert
import yaml

from stages.common.errors import run
from stages.common.files import atomic

# The plot that each chapter begins with.
CHAPTERS = {
    "plots/1-input_data.png": "1. A network by hand",
    "PyTorch three ways, training loss": "2. The same network three ways in PyTorch",
    "plots/3-model-mean.png": "3. Rating a film review",
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Deep Learning Projects: plots</title>
<!-- The browser refuses whatever would need a network; Vega compiles its expressions. -->
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
  script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src 'self' file: data:">
<link rel="icon" href="data:,">
{refresh_tag}
<style>
  body { font-family: "DejaVu Sans", Verdana, sans-serif; margin: 0 auto; max-width: 1240px;
         padding: 1rem; color: #222; background: #fff; }
  main { display: grid; gap: 2rem; align-items: center;
         grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
  h2 { grid-column: 1 / -1; margin: 1.5rem 0 0; border-bottom: 2px solid #0072B2; }
  main > div { border: 0 !important; min-width: 0; overflow-x: auto !important;
               white-space: normal !important; }
  main > div:has(> div + div > img) { grid-column: 1 / -1; }  /* experiments side by side */
  main div div { border: 0 !important; margin: 0 !important; }
  main img { width: 500px; max-width: 100%; }
  main svg { max-width: 100%; height: auto; }
  main p { margin: .2rem; color: #6B6B6B; font-size: .8rem; }
</style>
<script>SCRIPTS</script>
<script>
  // DVC calls vegaEmbed(place, plot) for each plot. Before it is drawn, put its legend below it and
  // make it as wide as half of this page; as SVG it shrinks to the width of a phone. DVC gives each
  // revision a colour and each file a dash: of a single revision, give the files colours too.
  const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00"];
  const draw = vegaEmbed;
  vegaEmbed = (place, plot) => {
    const { color, strokeDash } = plot.encoding ?? {};
    if (color?.scale?.domain.length === 1) {
      plot.encoding.color = strokeDash?.scale
        ? { ...strokeDash, scale: { domain: strokeDash.scale.domain, range: COLOURS } }
        : { value: COLOURS[0] };
    }
    if (plot.width) plot.width = 440;
    plot.config = {
      font: "DejaVu Sans, Verdana, sans-serif",
      axis: { labelFontSize: 12, titleFontSize: 12 },
      legend: { orient: "bottom", direction: "vertical", labelFontSize: 12, labelLimit: 480,
                title: null },
    };
    delete plot.$schema;  // it names an older Vega-Lite, which the newer one complains about
    return draw(place, plot, {
      mode: "vega-lite", renderer: "svg",
      actions: { export: true, source: false, compiled: false, editor: false },
    });
  };
</script>
</head>
<body>
<h1>Deep Learning Projects</h1>
<main>
{plot_divs}
</main>
<script>
  // DVC names a plot "file::name", its div by the name's letters, digits and underscores.
  const plain = name => name.replace(/[^a-zA-Z0-9]+/g, "_").replace(/^_|_$/g, "");
  const main = document.querySelector("main");
  let divs = [...main.children].filter(each => each.tagName === "DIV");
  for (const [name, chapter] of ORDER) {
    const mine = divs.filter(div => plain(div.id).endsWith(plain(name)));
    if (chapter && mine.length) {
      const heading = document.createElement("h2");
      heading.textContent = chapter;
      main.append(heading);
    }
    main.append(...mine);
    divs = divs.filter(div => !mine.includes(div));
  }
  main.append(...divs);  // what the experiments' own dvc.yaml have besides
</script>
</body>
</html>
"""


def template(pipeline: Path) -> str:
    """The page, with the scripts in it and the order of the plots of a dvc.yaml."""
    plots = yaml.safe_load(pipeline.read_text("utf-8"))["plots"]
    names = [plot if isinstance(plot, str) else next(iter(plot)) for plot in plots]
    order = json.dumps([[name, CHAPTERS.get(name, "")] for name in names], ensure_ascii=False)
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # none is needed
    scripts = bundle.replace("</script", "<\\/script")
    return PAGE.replace("ORDER", order).replace("SCRIPTS", scripts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("dvc.yaml"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with atomic(args.out) as temporary:
        temporary.write_text(template(args.pipeline), "utf-8")


if __name__ == "__main__":
    run(main)
