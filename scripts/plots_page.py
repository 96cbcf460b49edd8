"""Write an HTML template for the page of `dvc plots show`.

DVC's own template loads its drawing scripts from the network and shows images after curves. This
template contains the scripts, which come with the package vl-convert-python, so the page works
offline. It shows the plots in the order of the `plots:` section of dvc.yaml. `make plots` writes it
and configures DVC to use it.
"""

import argparse
import json
from pathlib import Path

import vl_convert
import yaml

from stages.common.errors import run_main
from stages.common.files import atomic_write
from stages.imdb.figures.shared import MODEL_COLORS
from stages.imdb.models.registry import MODEL_LABELS

# Heading of each section of the page, by the name of the section's first plot.
SECTION_TITLES = {
    "plots/1-input_data.png": "1. A multi-layer perceptron in NumPy",
    "PyTorch three ways, training loss": "2. The same network in PyTorch",
    "plots/3-model-mean.png": "3. Classifying film reviews",
}

HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Deep Learning Projects: plots</title>
<!-- The page loads nothing from the network. 'unsafe-eval': Vega compiles its expressions. -->
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
  main > div:has(> div + div > img) { grid-column: 1 / -1; }  /* images of several revisions */
  main div div { border: 0 !important; margin: 0 !important; }
  main img { width: 500px; max-width: 100%; }
  main svg { max-width: 100%; height: auto; }
  main p { margin: .2rem; color: #6B6B6B; font-size: .8rem; }
</style>
<script>SCRIPTS</script>
<script>
  // Names and colors of curves, as in the images, by a part of the path of the curve's file. A
  // legend lists them in this order.
  const CURVES = {
    ...MODEL_CURVES,
    numpy: ["NumPy", "#6B6B6B"], by_hand: ["PyTorch by hand", "#56B4E9"],
    sequential: ["nn.Sequential", "#E69F00"], module: ["nn.Module", "#000000"],
    train: ["train", "#0072B2"], test: ["test", "#E69F00"], validation: ["validation", "#E69F00"],
  };
  const DASHES = [[1, 0], [7, 4], [2, 2], [10, 3, 2, 3]];
  const SPLITS = ["train", "test", "validation"];

  // In the data of a plot, replace the paths of the files by names. Return the curves as objects
  // { name, parts }, where parts are the keys of CURVES that tell the files apart.
  function nameFiles(rows) {
    const files = [...new Set(rows.map(row => row.filename))];
    const known = files.map(file => file.split(/[/.]/).filter(part => part in CURVES));
    const rank = part => Object.keys(CURVES).indexOf(part);
    const curves = files.map((file, i) => {
      const parts = known[i].filter(part => !known.every(others => others.includes(part)));
      return { file, parts, name: parts.map(part => CURVES[part][0]).join(", ") || file };
    });
    if (new Set(curves.map(curve => curve.name)).size < files.length)
      for (const curve of curves) curve.name = curve.file;
    const nameOf = Object.fromEntries(curves.map(curve => [curve.file, curve.name]));
    for (const row of rows) row.filename = nameOf[row.filename];
    return curves.sort((a, b) =>
      rank(a.parts[0]) - rank(b.parts[0]) || rank(a.parts[1]) - rank(b.parts[1]));
  }

  // Give each curve its dashes and, with one revision, its color. Then colors tell the models
  // apart, and dashes the splits.
  function styleCurves(plot, single) {
    const curves = nameFiles(plot.data.values);
    const domain = curves.map(curve => curve.name);
    const legend = { symbolSize: 900 };  // long enough to show the dashes
    const dashes = curves.map(({ parts }, i) =>
      DASHES[single && SPLITS.includes(parts.at(-1)) ? Number(parts.at(-1) !== "train")
                                                     : i % DASHES.length]);
    const colors = curves.map(({ parts }, i) =>
      CURVES[parts[0]]?.[1] ?? Object.values(CURVES)[i % 10][1]);
    plot.encoding.strokeDash = { field: "filename", legend, scale: { domain, range: dashes } };
    if (single)
      plot.encoding.color = { field: "filename", legend, scale: { domain, range: colors } };
  }

  // DVC calls vegaEmbed(element, plot) for each plot. This wrapper puts the legend below the plot,
  // makes the plot half as wide as the page, and draws SVG, which shrinks to fit a phone. DVC
  // encodes the revision as color and the file as dashes; with one revision, color the files.
  const draw = vegaEmbed;
  vegaEmbed = (element, plot) => {
    const { color, strokeDash } = plot.encoding ?? {};
    const single = color?.scale?.domain.length === 1;
    if (single) plot.encoding.color = { value: "#0072B2" };
    if (strokeDash?.scale) styleCurves(plot, single);
    if (plot.facet?.row?.field === "filename") {
      nameFiles(plot.data.values);
      plot.facet.row.title = null;
    }
    if (plot.width) plot.width = 440;
    plot.config = {
      font: "DejaVu Sans, Verdana, sans-serif",
      axis: { labelFontSize: 12, titleFontSize: 12 },
      legend: { orient: "bottom", direction: "vertical", labelFontSize: 12, labelLimit: 480,
                title: null },
    };
    delete plot.$schema;  // it names an older version of Vega-Lite, which causes a warning
    return draw(element, plot, {
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
  // DVC calls a plot "file::name". The id of its div is that name with underscores.
  const toId = name => name.replace(/[^a-zA-Z0-9]+/g, "_").replace(/^_|_$/g, "");
  const main = document.querySelector("main");
  let divs = [...main.children].filter(each => each.tagName === "DIV");
  for (const [name, title] of ORDER) {
    const matching = divs.filter(div => toId(div.id).endsWith(toId(name)));
    if (title && matching.length) {
      const heading = document.createElement("h2");
      heading.textContent = title;
      main.append(heading);
    }
    main.append(...matching);
    divs = divs.filter(div => !matching.includes(div));
  }
  main.append(...divs);  // plots that only another revision's dvc.yaml has
</script>
</body>
</html>
"""


def render_template(pipeline: Path) -> str:
    """Return the template, with the order of the plots of a dvc.yaml."""
    plots = yaml.safe_load(pipeline.read_text("utf-8"))["plots"]
    names = [plot if isinstance(plot, str) else next(iter(plot)) for plot in plots]
    order = json.dumps([[name, SECTION_TITLES.get(name, "")] for name in names], ensure_ascii=False)
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # no snippet is needed
    scripts = bundle.replace("</script", "<\\/script")
    models = json.dumps({name: [label, MODEL_COLORS[name]] for name, label in MODEL_LABELS.items()})
    return HTML.replace("ORDER", order).replace("MODEL_CURVES", models).replace("SCRIPTS", scripts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pipeline", type=Path, default=Path("dvc.yaml"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with atomic_write(args.out) as temporary:
        temporary.write_text(render_template(args.pipeline), "utf-8")


if __name__ == "__main__":
    run_main(main)
