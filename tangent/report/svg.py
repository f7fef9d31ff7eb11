"""Matplotlib's SVG files as parts of a page."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup

from tangent.jobs.errors import UserError

_ID = re.compile(r'(\bid="|url\(#|href="#)')


def inline_svg(path: Path, title: str) -> Markup:
    """The `<svg>` element of a figure file, with `title` for screen readers.

    Ids get the file's name in front: two figures of one page must not share one.

    Raises:
        UserError: the file is missing or holds no SVG.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist: the rule plot makes it; run `snakemake --cores 2 figures`."
        ) from None
    start = text.find("<svg")
    if start < 0:
        raise UserError(f"{path} is not an SVG file: delete it and run the rule plot again.")
    svg = re.sub(r"<metadata>.*?</metadata>", "", text[start:], flags=re.DOTALL)
    svg = _ID.sub(rf"\g<1>{path.stem}-", svg)
    # The file's own style rule would apply to the whole page.
    svg = re.sub(r"<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    label = Markup.escape(title)
    # How wide it was drawn: a small figure is not to be blown up to the page's width.
    width = re.search(r'<svg [^>]*\bwidth="([\d.]+pt)"', svg)
    style = f' style="--drawn: {width[1]}"' if width else ""
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{label}"{style} ', 1))
