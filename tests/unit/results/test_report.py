"""The report: well-formed, self-contained, complete; and what it says about costs and origins."""

import json
import random
import re
import shutil
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest
import yaml
from made_report import make_report
from synthetic_study import write_study

from tangent.jobs.errors import UserError
from tangent.report.build import build_report, duration, inline_svg, read_configuration
from tangent.report.figures.catalogue import FIGURES
from tangent.report.report_tables import choice_of_rate
from tangent.results.claims_text import readable_claims
from tangent.results.paper_numbers import paper_numbers, rerun_accuracies
from tangent.results.read_tables import load_tables

MODELS = ("ViT-B-32", "other_vit")
VOID = {"meta", "br", "link", "img", "hr", "input"}


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
        assert tag not in ("iframe", "object", "link")


@pytest.fixture(scope="module")
def parsed(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


@pytest.mark.parametrize(("error", "within"), [(0.03, True), (0.01, False)])
def test_a_search_says_whether_the_two_best_are_within_one_standard_error(error, within):
    rows = pd.DataFrame(
        {
            "model": "m", "training": "linear", "seed": 5, "n": 9, "task": ["a", "mean"] * 3,
            "rate": [1e-4, 1e-4, 1e-3, 1e-3, 1e-2, 1e-2],
            "chosen": [False] * 2 + [True] * 2 + [False] * 2,
            "accuracy": [0.5, 0.6, 0.7, 0.82, 0.9, 0.8],
            "se_difference": [0.2, 0.1, 0, 0, 0.2, error],
        }
    )  # fmt: skip
    assert choice_of_rate(rows) == (
        "0.001 was chosen, on the validation images of seed 5 alone. The next best, 0.01, is 2.00 "
        f"points lower (standard error of the paired difference {100 * error:.2f}): "
        f"{'' if within else 'not '}within one standard error."
    )


def test_the_page_shows_what_learning_rates_were_chosen_from(page):
    assert 'id="demo-vit-linear-learning-rates"' in page and "0.001 (chosen)" in page
    assert "demo-vit-standard-learning-rates" not in page


def test_well_formed_with_unique_ids(parsed):
    assert len(parsed.ids) == len(set(parsed.ids))
    inner = [link for link in parsed.links if link.startswith("#")]
    assert all(link[1:] in parsed.ids for link in inner)


def test_every_table_leads_to_its_data_and_every_figure_to_its_files(page, page_study, parsed):
    files = {link for link in parsed.links if not link.startswith("#")}
    assert all((page_study / "report" / link).resolve().is_file() for link in files)
    shown = set(FIGURES) & set(parsed.ids)
    assert len(shown) == 8
    kinds = ("pdf", "svg", "png")
    assert {f"../figures/{name}.{kind}" for name in shown for kind in kinds} <= files
    captions = re.findall(r'<figure class="table">\s*<figcaption>(.*?)</figcaption>', page, re.S)
    without = [caption for caption in captions if ".csv" not in caption]
    # These are other people's numbers, and what records and benchmarks say.
    assert [caption.split(":")[0] for caption in without] == [
        "Task addition elsewhere", "Editing models"
    ]  # fmt: skip


def test_citations_lead_to_their_reference(page):
    (list_of,) = re.findall(r'<section id="references">(.*?)</section>', page, re.S)
    entries = re.findall(r'<li id="(reference\d+)">', list_of)
    cited = set(re.findall(r'<a href="#(reference\d+)">\[\d+\]</a>', page))
    assert cited == set(entries) and "NeurIPS 2023, arXiv 2305.12827" in list_of
    assert "TaLoS <a" in page and "&lt;a" not in page


def test_a_figure_is_described_by_what_is_seen(page, page_study):
    figure = r'<figure class="plot" id="(\w+)">.*?aria-label="(.*?)"'
    for name, label in re.findall(figure, page, re.S):
        svg = (page_study / "figures" / f"{name}.svg").read_text(encoding="utf-8")
        (seen,) = re.findall(r"<title>(.*?)</title>", svg, re.S)
        assert unescape(label).endswith(unescape(seen)) and re.search(r"\d", seen)


def test_the_summary_has_units_intervals_and_the_papers_numbers(page, page_study):
    (summary,) = re.findall(r'<section id="summary">(.*?)</section>', unescape(page), re.S)
    claims = readable_claims(load_tables(page_study / "tables", ["claims"])["claims"])
    for row in claims:
        if not row["claim"].endswith("_whole_grid"):
            (line,) = re.findall(rf"<tr>[^\n]*{re.escape(row['statement'])}<[^\n]*</tr>", summary)
            assert row["value"] in line and row["interval"] in line
            assert re.search(r"[a-zξ×]$", row["value"])
    assert "+5.1 / +5.8 / +3.4" in summary and "+13.1 / +7.9 / +10.1" in summary
    assert 'id="task_differences"' in summary


def test_nothing_is_loaded_from_anywhere(page, parsed):
    assert len(page.encode()) < 3_000_000 and "default-src 'none'" in page
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
    for row in claims.itertuples():
        assert row.statement in words and row.criterion in words
        assert row.verdict in words
    for row in readable_claims(claims):
        assert row["interval"] in words and row["interval_other"] in words
    assert "2 seeds" in words and "another scale" in words


def test_figures_configuration_versions_and_hashes_are_there(parsed):
    words = " ".join("".join(parsed.text).split())
    assert set(FIGURES) - set(parsed.ids) == {"emergence", "rate_sensitivity"}  # not asked for
    for text in ("study: demo", "torch 2.12.1".replace(" ", "\N{NO-BREAK SPACE}"), "ab" * 32,
                 "t" * 64, "c0ffee" * 6, "k = ", "0123abcd",
                 # All jobs ended at once: the longest one is all there is to wait for.
                 "42 s of wall-clock time on cpu: x86_64", "snakemake --cores all"):  # fmt: skip
        assert text in words or text in "".join(parsed.text), text


def test_text_from_the_study_is_escaped(copied):
    config = (copied / "config.yaml").read_text() + "# <script>alert(1)</script>\n"
    (copied / "config.yaml").write_text(config)
    page = build_report(copied)
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


@pytest.fixture(scope="module")
def partial_study(tmp_path_factory):
    """One seed, one of the paper's models and another; no random initialisation."""
    folder = write_study(tmp_path_factory.mktemp("partial"), seeds=(0,), models=MODELS)
    config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    config["random_initialization"]["models"], config["pretraining"] = [], {}
    config["emergence"], config["rate_sensitivity"] = {}, {}
    config["combinations"] = {}
    config["disentanglement"]["models"] = config["eigenfunctions"]["models"] = ["ViT-B-32"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def partial_page(partial_study, page, page_study):
    """Its report, as if the demo's tasks were the paper's. Slow figures are another study's."""
    shutil.copytree(page_study / "figures", partial_study / "figures")
    config = read_configuration(partial_study / "config.yaml")
    accuracies = {task: random.random() for task in (*config.tasks, config.control)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(paper_numbers(), "tasks", config.tasks)
        patch.setitem(paper_numbers(), "control", config.control)
        for model in paper_numbers()["models"]:
            modes = {mode: {"test": accuracies} for mode in ("zero_shot", "standard", "linear")}
            patch.setitem(rerun_accuracies(), model, modes)
        return make_report(partial_study, figures=["figure2", "figure6"])


def rows_of(page, table):
    """The texts of the cells of a table of the page, row by row."""
    (content,) = re.findall(rf'<table [^>]*id="{re.escape(table)}">(.*?)</table>', page, re.DOTALL)
    body = content.split("<tbody>")[1]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in body.split("<tr")[1:]]
    return [row for row in cells if row]


def test_the_papers_models_are_compared_and_others_are_not(partial_study, partial_page):
    path = partial_study / "addition/ViT-B-32/linear/sum/seed0/result.json"
    result = json.loads(path.read_text())
    absolute, normalized = result["absolute"], result["normalized"]
    compared = rows_of(partial_page, "addition-against-paper")
    assert [row[0] for row in compared if len(row) == 1] == ["ViT-B-32", "ViT-B-16", "ViT-L-14"]
    (mine, *others) = [row for row in compared if row[0] == "linear"]
    for first, value, paper in ((1, absolute, 76.5), (6, normalized, 85.4)):
        difference = f"{100 * value - paper:+.1f}".replace("-", "−")
        assert [mine[first], *mine[first + 2 : first + 4]] == [
            f"{paper}", f"{100 * value:.1f}", difference,
        ]  # fmt: skip
    assert [row[3] for row in others] == ["not run", "not run"]
    # The numbers of another family are no comparison.
    beside = rows_of(partial_page, "addition-beside-paper")
    assert [len(row) for row in beside if row[0] == "linear"] == [2]
    assert "other_vit is not among the paper’s three CLIP ViTs." in partial_page
    assert "Is the paper reproduced at this scale?" in partial_page


def test_single_tasks_stand_beside_the_rerun(partial_page):
    rows = rows_of(partial_page, "ViT-B-32-tasks-against-rerun")
    assert len(rows) == 9 and all(len(row) == 10 for row in rows)
    for row in rows:
        for rerun, ours, difference in (row[1:4], row[4:7], row[7:10]):
            if ours == "–":
                assert row[0] == "glyphs"
                continue
            points = float(difference.removesuffix(" *").replace("−", "-"))
            # All three are rounded to a tenth.
            assert points == pytest.approx(float(ours) - float(rerun), abs=0.11)
            if abs(abs(points) - 1) > 0.06:
                assert difference.endswith(" *") == (abs(points) > 1)


def test_what_a_partial_study_did_not_run(partial_page):
    assert "This study has no part from a random initialisation." in partial_page
    for table in ("headline", "single_task-against-paper", "negation-against-paper"):
        assert "±" not in str(rows_of(partial_page, table))
    assert "1 of 1 seed<" in partial_page and "–&nbsp;not run" not in partial_page
    checker = Checker()
    checker.feed(partial_page)
    assert len(checker.ids) == len(set(checker.ids)) and "table3" not in checker.ids
    words = " ".join("".join(checker.text).split())
    assert re.search(r"Verdicts: .*\b\d+ × “not run”", words)
    assert "Beyond the paper" not in words and "subsets" not in checker.ids


def test_other_combinations_are_marked_as_beyond_the_paper(parsed):
    words = " ".join("".join(parsed.text).split())
    assert words.count("Beyond the paper") == 3
    assert {"subsets", "per-task-alpha", "analogies"} <= set(parsed.ids)
    assert "9 at random where there are more" in words


def test_claims_stand_under_the_heading_of_their_family(partial_page):
    rows = rows_of(partial_page, "claims-table")
    headings = [row[0] for row in rows if len(row) == 1]
    assert headings == ["CLIP, ViT", "CLIP, ResNet"]
    blocks = [len([row for row in rows if f"({model})" in str(row)]) for model in MODELS]
    assert len(rows) == len(headings) + sum(blocks) and blocks[0] == blocks[1] > 10
    second = rows[rows.index(["CLIP, ResNet"]) :]
    paper = "ViT-B-32 +5.1"
    assert paper in str(rows) and paper not in str(second) and "(other_vit)" in str(second)


def test_another_scale_has_no_differences(page):
    assert "-against-paper" not in page and "-against-rerun" not in page
    assert "Is the paper reproduced at this scale?" in page
    assert len(rows_of(page, "single_task-beside-paper")) == 4
    beside = rows_of(page, "addition-beside-paper")
    assert [row[2] for row in beside if row[0] == "linear"] == ["76.5 (85.4)"]


def test_missing_parts_are_named(copied):
    (copied / "figures" / "figure3.svg").unlink()
    with pytest.raises(UserError, match="figure3.svg does not exist: the rule plot makes it"):
        build_report(copied)
    (copied / "figures" / "figure3.svg").write_text("")
    with pytest.raises(UserError, match="not an SVG file"):
        build_report(copied)


def test_ids_of_a_figure_get_its_name(tmp_path):
    path = tmp_path / "map.svg"
    path.write_text(
        '<?xml version="1.0"?><svg width="72pt"><style type="text/css">*{a: b}</style>'
        '<g id="p" clip-path="url(#q)"/><use xlink:href="#p"/></svg>'
    )
    assert inline_svg(path, 'a "b"') == (
        '<svg role="img" aria-label="a &#34;b&#34;" style="--drawn: 72pt" width="72pt">'
        '<g id="map-p" clip-path="url(#map-q)"/><use xlink:href="#map-p"/></svg>'
    )


def test_durations():
    values = (0.44, 42.2, 185, 7440, 59.6)
    assert [duration(value) for value in values] == [
        "0.4 s", "42 s", "3 min 5 s", "2 h 4 min", "1 min 0 s",
    ]  # fmt: skip
