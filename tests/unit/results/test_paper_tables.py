"""The paper's tables: numbers by other code, Markdown and LaTeX by structure."""

import random
import re
from statistics import mean, stdev

import pytest
from markdown_it import MarkdownIt

from tangent.results.paper_tables import PAPER_TABLES, paper_table
from tangent.results.render import Table, percent, to_latex, to_markdown

MODES = ("standard", "posthoc", "linear")


def made(name, tables):
    """From the tables that it says it reads, and from no other."""
    return paper_table(name, {key: tables[key] for key in PAPER_TABLES[name].inputs})


def text(values):
    """Independent of `percent`: standard library only."""
    return f"{100 * mean(values):.1f} ± {100 * stdev(values):.1f}"


def cells_of(table, mode):
    return dict(table.rows)[mode]


def test_table1(tables):
    table = made("table1", tables)
    assert [title for title, _ in table.groups] == ["demo-vit", "other_vit"]
    addition = tables["addition"].to_dict("records")
    for mode in MODES:
        expected = []
        for model in ("demo-vit", "other_vit"):
            mine = [row for row in addition if (row["model"], row["mode"]) == (model, mode)]
            assert len(mine) == 3
            for column in ("absolute", "normalized"):
                expected.append(text([row[column] for row in mine]))
        assert list(cells_of(table, mode)) == expected


def test_table1_pretrained_row_is_zero_shot_without_the_control_task(tables, config):
    single = tables["single_task"].to_dict("records")
    per_seed = [
        mean(
            row["accuracy"]
            for row in single
            if (row["model"], row["mode"], row["split"]) == ("demo-vit", "zero_shot", "test")
            and row["seed"] == seed
            and row["task"] != config.control
        )
        for seed in config.seeds
    ]
    assert cells_of(made("table1", tables), "Pre-trained")[:2] == (text(per_seed), "–")


def test_table2(tables, config):
    table = made("table2", tables)
    negation = tables["negation"].to_dict("records")
    for mode in MODES:
        for column, cell in zip(("target", "control"), cells_of(table, mode)[:2], strict=True):
            per_seed = [
                mean(
                    row[column]
                    for row in negation
                    if (row["model"], row["mode"], row["seed"]) == ("demo-vit", mode, seed)
                )
                for seed in config.seeds
            ]
            assert cell == text(per_seed)
    # The pre-trained control accuracy is the same for every seed: one number, no spread.
    assert cells_of(table, "Pre-trained")[1] == "84.0"
    assert "at least 95 % of" in table.notes[0]


def test_table3(tables):
    table = made("table3", tables)
    rows = tables["random_init"].to_dict("records")
    for mode in MODES:
        random = [r for r in rows if r["initialization"] == "random" and r["mode"] == mode]
        pretrained = [r for r in rows if r["initialization"] == "pretrained" and r["mode"] == mode]
        columns = ("single_task", "absolute", "normalized")
        expected = tuple(text([r[column] for r in random]) for column in columns)
        assert cells_of(table, f"{mode}, random") == expected
        single = text([r["single_task"] for r in pretrained])
        assert cells_of(table, f"{mode}, pre-trained") == (single, "–", "–")
    assert any("cannot be compared" in note for note in table.notes)


def test_percent():
    assert percent([0.5]) == "50.0"
    assert percent([0.5, 0.6]) == "55.0 ± 7.1"
    assert percent([float("nan")]) == "–"
    assert percent([]) == "not run"


def test_one_seed_says_so(tables):
    first = {name: table[table.seed == 0] for name, table in tables.items() if "seed" in table}
    for name in PAPER_TABLES:
        table = made(name, first)
        assert table.notes[-1] == "1 seed."
        assert "±" not in str(table.rows)


def test_markdown_has_a_cell_per_column(tables):
    for name in PAPER_TABLES:
        table = made(name, tables)
        lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
        widths = {line.count("|") for line in lines}
        assert len(widths) == 1
        assert re.fullmatch(r"\|---\|(---:\|)+", lines[1])
        assert len(lines) == 2 + len(table.rows)


def test_latex_structure(tables):
    for name in PAPER_TABLES:
        table = made(name, tables)
        latex = to_latex(table)
        begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", latex) for word in ("begin", "end"))
        assert begun == ended[::-1] == ["table", "tabular"]
        assert latex.count("{") == latex.count("}")
        columns = len(re.search(r"\\begin{tabular}{(l r*|lr+)}", latex).group(1))
        body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0]
        lines = [line for line in body.splitlines() if line.strip()]
        assert len(lines) == len(table.rows)
        assert all(line.count(" & ") == columns - 1 and line.endswith(r" \\") for line in lines)
        spans = [int(n) for n in re.findall(r"\\multicolumn{(\d+)}", latex)]
        assert sum(spans) == columns - 1
        rules = re.findall(r"\\cmidrule\(lr\){(\d+)-(\d+)}", latex)
        assert [int(end) - int(start) + 1 for start, end in rules] == spans
        assert latex.isascii()
        if "other_vit" in str(table.groups):
            assert r"other\_vit" in latex and "other_vit" not in latex


def test_latex_escapes_every_special_character():
    special = Table("t", "100 % & more", "a_b", (("g", ("x^2 ~ {c} #1 $5 \\",)),), (("é", ("±",)),))
    latex = to_latex(special)
    assert r"100 \% \& more." in latex
    assert r"x\textasciicircum{}2 \textasciitilde{} \{c\} \#1 \$5 \textbackslash{}" in latex
    assert r"$\pm$" in latex


def test_a_heading_of_rows_fills_its_line():
    table = Table("t", "c", "s", (("g", ("a", "b")),), (("below", ()), ("r", ("1", "2"))))
    assert to_markdown(table).splitlines()[4:6] == ["| below |  |  |", "| r | 1 | 2 |"]
    assert r"below &  &  \\" in to_latex(table)


def test_a_row_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match="row has not 2 cells"):
        Table("t", "c", "s", (("g", ("a", "b")),), (("r", ("1",)),))


def test_free_text_is_text_in_markdown():
    """By markdown-it's parser: what cells show is what was written, whatever marks it holds."""
    characters = "ab1 _*`|<>[]()\\&#~{}$"
    words = ["a_b", "_a_", "**a**", "<b>x</b>", "`a`|`b`", "[a](b)", "a\\|b", "~~a~~", "{x}"]
    words += ["".join(random.choices(characters, k=12)).strip() or "x" for _ in range(200)]
    table = Table("t", "caption", "model", [("", ["cell"])], [(word, [word]) for word in words])
    tokens = MarkdownIt("commonmark").enable("table").parse(to_markdown(table))
    shown = [
        "".join(part.content for part in one.children or [])
        for one in tokens
        if one.type == "inline"
    ]
    kinds = {part.type for one in tokens[3:] for part in one.children or []}
    expected = [text for word in words for text in (word, word)]
    assert [text.split() for text in shown[3:]] == [text.split() for text in expected]
    assert kinds <= {"text", "text_special"}
