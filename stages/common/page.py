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
<link rel="icon" href="data:,">
{refresh_tag}
<style>
  body { font-family: "DejaVu Sans", Verdana, sans-serif; margin: 0 auto; max-width: 1240px;
         padding: 1rem; color: #222; background: #fff; }
  main { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: center; }
  h2 { flex-basis: 100%; margin: 1.5rem 0 0; border-bottom: 2px solid #0072B2; }
  main > div { border: 0 !important; max-width: 100%; overflow-x: auto !important; }
  main img { width: 560px; max-width: 92vw; }
  main p { margin: .2rem; color: #6B6B6B; font-size: .8rem; }
  main div div { border: 0 !important; margin: 0 !important; }
</style>
<script>SCRIPTS</script>
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
  const divs = [...main.children].filter(each => each.tagName === "DIV");
  for (const [name, chapter] of ORDER) {
    const mine = divs.filter(div => plain(div.id).endsWith(plain(name)));
    if (chapter && mine.length) {
      const heading = document.createElement("h2");
      heading.textContent = chapter;
      main.append(heading);
    }
    main.append(...mine);
  }
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
