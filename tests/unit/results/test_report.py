"""The report: well-formed, self-contained, complete; and what it says about costs and origins."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml
from synthetic_study import write_study

from scripts import claims as claims_script
from scripts import cli, collect_tables, paper_tables, plot, report
from tangent.errors import UserError
from tangent.figures import FIGURES
from tangent.files import write_safetensors
from tangent.report.build import build_report, duration
from tangent.report.inventory import provenance, published_weights, usage
from tangent.report.svg import inline_svg
from tangent.results.columns import COLLECTED
from tangent.results.configuration import read_configuration
from tangent.results.load import load_tables

VOID = {"meta", "br", "link", "img", "hr", "input"}


def make_report(folder):
    """Everything after the evaluations, through the scripts as the rules call them."""
    tables = str(folder / "tables")
    steps = [
        (collect_tables, ["--config", str(folder / "config.yaml"), "--study-dir", str(folder),
                          "--output-dir", tables, "--tables", *COLLECTED]),
        (claims_script, ["--tables-dir", tables, "--output", f"{tables}/claims.csv",
                         "--markdown", f"{tables}/claims.md"]),
        (paper_tables, ["--tables-dir", tables, "--output-dir", tables]),
    ]  # fmt: skip
    for name in FIGURES:
        outputs = [f"--output-{kind}={folder / 'figures' / name}.{kind}" for kind in ("svg", "pdf")]
        steps.append((plot, ["--figure", name, "--tables-dir", tables, *outputs]))
    output = folder / "report" / "index.html"
    steps.append((report, ["--study-dir", str(folder), "--output", str(output)]))
    for module, argv in steps:
        module.run(cli.parse(module.Arguments, argv))
    return output.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page_study(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("page"), seeds=(0, 1))


@pytest.fixture(scope="module")
def page(page_study):
    return make_report(page_study)


class Checker(HTMLParser):
    """Collects ids, links, loads and text, and checks that elements are closed in order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.loads, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self._look(tag, dict(attributes))

    def handle_startendtag(self, tag, attributes):
        self._look(tag, dict(attributes))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def _look(self, tag, attributes):
        if "id" in attributes:
            self.ids.append(attributes["id"])
        for name, value in attributes.items():
            if name in ("href", "xlink:href", "src", "data", "srcset", "action"):
                (self.links if tag in ("a", "use") else self.loads).append(value)
        assert tag not in ("script", "iframe", "object", "link")


@pytest.fixture(scope="module")
def parsed(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def test_well_formed_with_unique_ids(parsed):
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(link.startswith("#") and link[1:] in parsed.ids for link in parsed.links)


def test_nothing_is_loaded_from_anywhere(page, parsed):
    assert all(load.startswith(("data:image/png;base64,", "#")) for load in parsed.loads)
    assert not re.search(r"@import|url\((?!#)", page)
    # Addresses remain as names of XML namespaces only.
    assert not re.search(r"https?://", re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))
    references = set(re.findall(r"url\(#([^)]+)\)", page))
    assert references and references <= set(parsed.ids)


def test_every_number_of_the_paper_tables_is_on_the_page(page_study, parsed):
    words = " ".join(" ".join(parsed.text).split())
    for name in ("table1", "table2", "table3"):
        markdown = (page_study / "tables" / f"{name}.md").read_text(encoding="utf-8")
        numbers = re.findall(r"\d+\.\d ± \d+\.\d", markdown)
        assert len(numbers) >= 6
        assert all(number in words for number in numbers)


def test_every_claim_with_its_verdict(page_study, parsed):
    words = " ".join("".join(parsed.text).split())
    claims = load_tables(page_study / "tables", ["claims"])["claims"]
    said = {"yes": "holds", "no": "does not hold", "mixed": "mixed", "not run": "not run"}
    for row in claims.itertuples():
        assert row.statement in words and row.criterion in words
        assert said[row.holds] in words
    assert "2 seeds" in words and "another scale" in words


def test_figures_configuration_versions_and_hashes_are_there(parsed):
    words = " ".join("".join(parsed.text).split())
    assert set(FIGURES) <= set(parsed.ids)
    for text in ("study: demo", "torch 2.12.1".replace(" ", "\N{NO-BREAK SPACE}"), "ab" * 32,
                 "t" * 64, "c0ffee" * 6, "cpu: x86_64", "k = ", "0123abcd"):  # fmt: skip
        assert text in words or text in "".join(parsed.text), text


@pytest.fixture
def copied(page, page_study, tmp_path):
    """A copy of the finished study, to be damaged."""
    return shutil.copytree(page_study, tmp_path / "copy")


def test_text_from_the_study_is_escaped(copied):
    config = (copied / "config.yaml").read_text() + "# <script>alert(1)</script>\n"
    (copied / "config.yaml").write_text(config)
    page = build_report(copied)
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_missing_parts_are_named(copied):
    (copied / "figures" / "figure3.svg").unlink()
    with pytest.raises(UserError, match="figure3.svg does not exist: the rule plot makes it"):
        build_report(copied)
    (copied / "figures" / "figure3.svg").write_text("")
    with pytest.raises(UserError, match="not an SVG file"):
        build_report(copied)


def test_usage_adds_benchmarks_up(page_study):
    steps, modes = usage(page_study / "benchmarks")
    assert list(steps) == ["finetuned", "single_task", "addition"]
    assert (steps["finetuned"].jobs, steps["finetuned"].longest) == (8, 42.5)
    assert steps["finetuned"].seconds == pytest.approx(8 * 42.5)
    assert steps["finetuned"].memory == 812.5
    assert steps["addition"].memory is None  # Snakemake's "-"
    assert modes["standard"]["addition"].seconds == pytest.approx(8 * 0.4)
    assert not modes["linear"]
    assert usage(page_study / "nothing") == ({}, {"standard": {}, "posthoc": {}, "linear": {}})


def test_provenance_ignores_results_of_other_configurations(page_study):
    config = read_configuration(page_study / "config.yaml")
    other = page_study / "addition/older/linear/seed0/result.json"
    other.parent.mkdir(parents=True)
    other.write_text('{"model": "older", "seed": 0, "provenance": {"commit": "dead"}}')
    found = provenance(config, page_study)
    assert found.commits == {"c0ffee" * 6 + "c0ff"}
    assert found.versions["torch"] == {"2.12.1"}
    assert found.datasets["shapes"]["test"] == (500, "t" * 64)
    assert list(found.weights) == ["resources/pretrained/demo-vit/encoder.safetensors"]


def test_ids_of_a_figure_get_its_name(tmp_path):
    path = tmp_path / "map.svg"
    path.write_text(
        '<?xml version="1.0"?><svg width="1"><style type="text/css">*{a: b}</style>'
        '<g id="p" clip-path="url(#q)"/><use xlink:href="#p"/></svg>'
    )
    assert inline_svg(path, 'a "b"') == (
        '<svg role="img" aria-label="a &#34;b&#34;" width="1">'
        '<g id="map-p" clip-path="url(#map-q)"/><use xlink:href="#map-p"/></svg>'
    )


def test_durations():
    values = (0.44, 42.2, 185, 7440, 59.6)
    assert [duration(value) for value in values] == [
        "0.4 s", "42 s", "3 min 5 s", "2 h 4 min", "1 min 0 s",
    ]  # fmt: skip


def test_weights_of_others_are_named(copied):
    config = yaml.safe_load((copied / "config.yaml").read_text(encoding="utf-8"))
    hub = {
        "source": "hub",
        "repository": "lab/tiny",
        "revision": "main",
        "file": "theta.safetensors",
    }
    local = {"source": "file", "path": "given/theta.pt", "sha256": "d" * 64}
    config["published"] = {"demo-vit": {"standard": {"shapes": hub}, "linear": {"letters": local}}}
    (copied / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    with pytest.raises(UserError, match="published/demo-vit/standard/shapes/encoder.safetensors"):
        build_report(copied)

    # What a former configuration took is there too, but this study does not use it.
    entries = {"standard/shapes": (hub, "c" * 40), "linear/letters": (local, None),
               "standard/digits": (local, None)}  # fmt: skip
    for name, (entry, commit) in entries.items():
        about = {"entry": entry, "commit": commit, "sha256": "e" * 64, "relative_distance": 0.0312}
        metadata = {"published": json.dumps(about), "provenance": json.dumps({"code": "5ca1ab1e"})}
        path = copied / "published" / "demo-vit" / name / "encoder.safetensors"
        write_safetensors(path, {"weight": np.zeros(2, np.float32)}, metadata)
    found = published_weights(read_configuration(copied / "config.yaml"), copied)
    assert [(row.training, row.task, row.origin) for row in found] == [
        ("standard", "shapes", f"lab/tiny at {'c' * 40}, theta.safetensors"),
        ("linear", "letters", "given/theta.pt"),
    ]
    page = build_report(copied)
    table = page.partition('<table id="published">')[2].partition("</table>")[0]
    for text in ("lab/tiny at " + "c" * 40, "given/theta.pt", "e" * 64, "0.0312"):
        assert text in table
    assert "digits" not in table
    assert "gives for 2 of the fine-tuned encoders" in page and "5ca1ab1e" in page


def test_a_study_without_weights_of_others_does_not_speak_of_them(page):
    assert "published by others" not in page and 'href="#published"' not in page
