"""The report as people use it: hover, slider, sorting, widths, dark mode and print, in Chromium."""

import json
import re

import numpy as np
import pytest
from browser import PROGRAM, Browser

from tangent.results.read_tables import load_tables

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="there is no Chromium here (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser(page, page_study):
    browser = Browser(page_study / "report" / "index.html")
    yield browser
    browser.close()


@pytest.fixture(autouse=True)
def as_on_a_desk(browser):
    browser.size(1280, 800)
    browser.look()


@pytest.fixture(scope="module")
def of_study(page_study):
    return load_tables(page_study / "tables", ["disentanglement", "alpha_sweep"])


def numbers(text):
    return [float(number) for number in re.findall(r"-?\d+\.?\d*", text.replace("−", "-"))]


def test_it_loads_nothing_else_and_has_no_errors(browser):
    asked = [event["params"]["request"]["url"] for event in browser.events
             if event["method"] == "Network.requestWillBeSent"]  # fmt: skip
    others = [url for url in asked if not url.startswith(("data:", "about:"))]
    assert len(others) == 1 and others[0].endswith("report/index.html")
    errors = ("Runtime.exceptionThrown", "Log.entryAdded")
    assert [event for event in browser.events if event["method"] in errors] == []


@pytest.mark.parametrize("column, row", [(0, 0), (12, 3), (5, 12)])
def test_a_heat_map_says_the_errors_under_the_mouse(browser, of_study, column, row):
    errors = of_study["disentanglement"]
    pairs = errors[["task_1", "task_2"]].drop_duplicates().itertuples(index=False)
    for i, (task_1, task_2) in enumerate(pairs):
        left, top, width, height = browser.box(f"#figure3-map-demo-vit-{i}-1 image")
        browser.point(left + (column + 0.5) * width / 13, top + (12.5 - row) * height / 13)
        name, first, second, *modes = browser.run("[...tip.children].map((e) => e.textContent)")
        alpha_1, alpha_2 = -3 + column / 2, -3 + row / 2
        assert name == "demo-vit"
        assert first == f"α₁ {task_1} {alpha_1:.2f}".replace("-", "−")
        assert second == f"α₂ {task_2} {alpha_2:.2f}".replace("-", "−")
        here = errors[(errors.task_1 == task_1) & (errors.alpha_1 == alpha_1)]
        here = here[here.alpha_2 == alpha_2].groupby("mode").error.mean()
        for mode, text in zip(("standard", "posthoc", "linear"), modes, strict=True):
            assert text.startswith(f"ξ {mode} ")
            assert numbers(text) == [pytest.approx(here[mode], abs=0.00051)]
    assert browser.run("tip.hidden") is False
    browser.point(2, 2)
    assert browser.run("tip.hidden") is True


def test_the_slider_moves_a_marker_along_every_curve_and_the_numbers(browser, of_study):
    sweep = of_study["alpha_sweep"].query("model == 'demo-vit'")
    target = sweep.task == sweep.target
    added = sweep.operation == "addition"
    curves = [
        100 * of.groupby(["mode", "alpha"])[column].mean()
        for of, column in (
            (sweep[added], "normalized"),
            (sweep[~added & target], "accuracy"),
            (sweep[~added & ~target], "normalized"),
        )
    ]
    alphas = sorted(sweep.alpha.unique())
    browser.box(".slider")
    browser.run("document.querySelector('.slider input').focus()")
    browser.press("Home")
    places = []
    for step, alpha in enumerate(alphas):
        if step:
            browser.press("ArrowRight")
        assert numbers(browser.run("document.querySelector('.slider output').textContent")) == [
            pytest.approx(alpha)
        ]
        shown = browser.run("document.querySelector('.slider tbody').innerText")
        expected = [of[mode, alpha] for of in curves for mode in ("standard", "posthoc", "linear")]
        assert numbers(shown) == pytest.approx([alpha, *expected], abs=0.051)
        places.append(
            browser.run(
                "[...document.querySelectorAll('.marker')].map("
                "(e) => [e.cx.baseVal.value, e.cy.baseVal.value])"
            )
        )
    places = np.array(places)  # [α, curve, x and y]
    assert places.shape == (21, 9, 2)
    # A panel's x is an affine function of α, and its y the same one of the three curves' values.
    for panel, of in enumerate(curves):
        values = np.array([[of[mode, a] for mode in ("standard", "posthoc", "linear")]
                           for a in alphas])  # fmt: skip
        x, y = np.moveaxis(places[:, 3 * panel : 3 * panel + 3], 2, 0)
        for at, drawn in ((np.repeat(alphas, 3), x.ravel()), (values.ravel(), y.ravel())):
            line = np.polyfit(at, drawn, 1)
            assert np.abs(np.polyval(line, at) - drawn).max() < 0.01 * np.ptp(drawn)
        assert np.polyfit(values.ravel(), y.ravel(), 1)[0] < 0  # SVG's y points down


def column_of(browser, table, number):
    return browser.run(
        f"[...document.querySelectorAll('{table} tbody tr')].map((r) => r.cells.length < 2 ? null"
        f" : r.cells[{number}].textContent)"
    )


def test_a_click_on_a_header_sorts_its_table(browser):
    absolute = "#headline thead tr:last-child th:nth-child(3)"
    for direction, sign in (("ascending", 1), ("descending", -1)):
        browser.click(f"{absolute} button")
        assert browser.run(f"document.querySelector('{absolute}').ariaSort") == direction
        *texts, last = column_of(browser, "#headline", 2)
        values = [sign * numbers(text)[0] for text in texts]
        assert values == sorted(values) and last == "–"
    browser.click("#headline thead tr:last-child th:nth-child(1) button")
    modes = column_of(browser, "#headline", 0)
    assert modes == sorted(modes, key=str.lower)
    assert browser.run("document.querySelectorAll('#headline [aria-sort]').length") == 1


def test_rows_stay_below_their_heading_and_times_sort_as_times(browser):
    before = column_of(browser, "#claims-table", 1)
    browser.click("#claims-table th:nth-child(2) button")
    heading, *verdicts = column_of(browser, "#claims-table", 1)
    assert heading is None and verdicts == sorted(verdicts) and len(verdicts) == len(before) - 1
    browser.click("#cost > .scroll th:nth-child(4) button")
    assert column_of(browser, "#cost > .scroll", 3) == ["0.4 s", "6.2 s", "42 s"]


def test_a_header_sorts_by_the_keyboard_too(browser):
    header = "#table3 thead tr:last-child th:nth-child(2)"
    browser.box(header)
    browser.run(f"document.querySelector('{header} button').focus()")
    browser.press("Enter")
    assert browser.run(f"document.querySelector('{header}').ariaSort") == "ascending"


def test_the_summary_fits_a_screen(browser):
    browser.run("scrollTo(0, 0)")
    assert browser.run("document.querySelector('#summary').getBoundingClientRect().bottom") <= 800
    assert browser.run("document.documentElement.scrollWidth") <= 1280


def test_nothing_is_cut_off_on_a_narrow_screen(browser):
    browser.size(400, 800)
    cut = browser.run("""[...document.querySelectorAll("main *, header *, footer *")].filter(
      (e) => !e.closest("svg svg, svg *, .scroll *, pre, details:not([open]) *")
        && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
      .map((e) => e.outerHTML.slice(0, 80))""")
    assert cut == []
    assert browser.run("document.documentElement.scrollWidth") <= 400


def brightness(colour):
    """Relative luminance (WCAG) of `rgb(r, g, b)`."""
    channels = np.array(numbers(colour)[:3]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_light_and_on_dark(browser, scheme):
    browser.look(scheme=scheme)
    looks = browser.run("""[...document.querySelectorAll("p, th, td, a, .verdict, summary")].map(
      (e) => { let back = e; while (getComputedStyle(back).backgroundColor.endsWith(", 0)"))
        back = back.parentElement ?? document.body;
        if (getComputedStyle(back).backgroundColor.startsWith("rgba")) back = document.body;
        return [getComputedStyle(e).color, getComputedStyle(back).backgroundColor]; })""")
    for text, back in {tuple(look) for look in looks}:
        low, high = sorted((brightness(text), brightness(back)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, back)
    body = browser.run("getComputedStyle(document.body).backgroundColor")
    assert (brightness(body) < 0.05) == (scheme == "dark")


def test_print_shows_what_is_folded(browser, tmp_path):
    folded = "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
    seen = f"{folded}.map((e) => e.checkVisibility())"
    assert len(browser.run(seen)) >= 5 and not any(browser.run(seen))
    browser.look(media="print")
    assert all(browser.run(seen))
    browser.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_without_scripts_there_is_no_dead_control_and_all_numbers_are_there(page, of_study):
    static = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert "<button" not in static and "<input" not in static
    data = re.findall(r'<script type="application/json">(.*?)</script>', page, re.S)
    assert len(data) == 1 and len(json.loads(data[0])) == 3
    (sweeps,) = re.findall(r'<table id="demo-vit-sweep">(.*?)</table>', static, re.S)
    assert len(re.findall("<tr><th scope", sweeps)) == of_study["alpha_sweep"].alpha.nunique()
