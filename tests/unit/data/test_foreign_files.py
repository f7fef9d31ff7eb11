"""Images and texts as other programs save them: 16 bits, huge, damaged, with byte order marks."""

from __future__ import annotations

import io
import json
import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from test_sources_folder import from_folder, write

from tangent.data.sources.image_files import FOREIGN, _read_annotations, list_folder, read_lines
from tangent.data.sources.json_lines import _read
from tangent.data.sources.packed_files import _read_digits, _read_idx, read_mat
from tangent.data.sources.parquet import ParquetRows
from tangent.data.sources.source import FileRows, decode, labelled_texts
from tangent.jobs import files
from tangent.jobs.errors import UserError
from tangent.jobs.yaml_files import read_yaml
from tangent.models.published.tensors import read_tensors
from tangent.models.t5_tokenizer import read_tokenizer
from tangent.tasks.task_files import TextTask

MARK = "\ufeff".encode()


def encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_levels_of_16_bits_keep_their_upper_8(rng, kind):
    pixels = rng.integers(0, 2**16, (5, 7)).astype(np.uint16)
    found = decode(encoded(Image.fromarray(pixels), kind), "grey", "restore it")
    assert found.dtype == np.uint8 and found.shape == (5, 7, 3)
    for channel in range(3):
        assert (found[..., channel] == pixels // 256).all()


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_of_32_bits_are_refused_by_name(rng, dtype):
    image = Image.fromarray((1000 * rng.random((4, 4))).astype(dtype))
    with pytest.raises(UserError, match=r"^scan\.tif has pixels of 32 bits, whose range is not"):
        decode(encoded(image, "TIFF"), "scan.tif", "restore it")


def test_huge_images_are_refused_before_they_are_decoded():
    image = encoded(Image.new("1", (20_000, 5_000)), "PNG")
    with pytest.raises(UserError, match=r"^big\.png has 20000 × 5000 pixels, too many"):
        decode(image, "big.png", "restore it")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "GIF", "BMP", "WEBP", "PPM"])
def test_damaged_images_are_answered_by_name(rng, kind):
    """Bytes changed, cut out and put in at random: an image or one `UserError`, nothing else."""
    image = Image.fromarray(rng.integers(0, 256, (16, 16, 3)).astype(np.uint8))
    whole = np.frombuffer(encoded(image, kind), np.uint8)
    for _ in range(150):
        damaged = whole.copy()
        places = rng.integers(0, min(len(whole), 400), int(rng.integers(1, 12)))
        damaged[places] = rng.integers(0, 256, len(places))
        if rng.random() < 0.3:
            damaged = damaged[: rng.integers(0, len(damaged))]
        try:
            assert decode(damaged.tobytes(), "it", "restore it").ndim == 3
        except UserError as error:
            assert str(error).startswith("it ")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path):
    file = tmp_path / "list.txt"
    file.write_bytes(MARK + b"airplane_001.jpg\r\nbeach_002.jpg\r\n")
    assert read_lines(file) == ["airplane_001.jpg", "beach_002.jpg"]
    folder = write(tmp_path / "data", "gtsrb")
    table = folder / "GT-final_test.csv"
    expected = list(from_folder(tmp_path / "data", "gtsrb").test.labels)
    table.write_bytes(MARK + table.read_bytes())
    assert list(from_folder(tmp_path / "data", "gtsrb").test.labels) == expected
    shutil.rmtree(folder)


def lines(path: Path, *texts: str, mark: bytes = b"") -> Path:
    path.write_bytes(mark + "\n".join(texts).encode() + b"\n")
    return path


TASK = TextTask("t", "", "{text} ?", ("negative", "positive"), label="mood")


def test_json_lines_with_a_mark_are_read(tmp_path):
    row = json.dumps({"text": "größer", "mood": 1})
    values, labels, *_ = _read(TASK, lines(tmp_path / "train.jsonl", row, row, mark=MARK))
    assert values == [{"text": "größer"}] * 2 and labels == [1, 1]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_on_any_system(tmp_path, end):
    rows = [f'{{"text": "{number}\u2028", "mood": {number}}}' for number in range(2)]
    (tmp_path / "train.jsonl").write_bytes((end.join(rows) + end).encode())
    values, labels, *_ = _read(TASK, tmp_path / "train.jsonl")
    assert values == [{"text": "0\u2028"}, {"text": "1\u2028"}] and labels == [0, 1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"text": "a", "mood": NaN}', "NaN is no JSON"),
        ('{"text": "a", "mood": -Infinity}', "-Infinity is no JSON"),
        ('{"text": "\\ud800", "mood": 1}', "surrogates not allowed"),
        ('["text", "mood"]', "list indices"),
        ("", "Expecting value"),
        pytest.param("[" * 10**5, "recursion", id="deep"),
    ],
)
def test_lines_that_are_no_rows_are_named(tmp_path, row, reason):
    path = lines(tmp_path / "train.jsonl", '{"text": "a", "mood": 0}', row)
    with pytest.raises(UserError, match=rf"train\.jsonl, line 2 is no JSON object \(.*{reason}"):
        _read(TASK, path)


@pytest.mark.parametrize(
    ("labels", "reason"), [([1, 2**63], "9223372036854775808 is no class"), ([], "holds no rows")]
)
def test_labels_that_no_data_set_has_are_answered(labels, reason):
    with pytest.raises(UserError, match=f"train.jsonl:? {reason}"):
        labelled_texts({"train": ([{}] * len(labels), labels, "train.jsonl", None)})


def test_digits_without_numbers_are_answered(tmp_path):
    cells = np.array(["a", np.zeros(3)], dtype=object)
    savemat(tmp_path / "a.mat", {"X": np.zeros((4, 4, 3, 2), np.uint8), "y": cells})
    with pytest.raises(UserError, match=r"a\.mat: labels must be 1 to 10"):
        _read_digits(tmp_path / "a.mat")


@pytest.mark.parametrize("maximum", [1023, 4095, 65535])
@pytest.mark.parametrize("form", ["P5", "P2"])
def test_grey_levels_of_portable_maps_are_scaled(rng, maximum, form):
    levels = rng.integers(0, maximum + 1, 40).astype(">u2")
    text = " ".join(map(str, levels)).encode()
    content = f"{form} 8 5 {maximum}\n".encode() + (levels.tobytes() if form == "P5" else text)
    found = decode(content, "grey", "restore it")[..., 0].flatten()
    assert np.abs(found - 255 * levels.astype(float) / maximum).max() <= 1


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "image.png"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=rf"^{path} cannot be read \(it is no regular file\)"):
        FileRows([str(path)], [0])[0]


READERS = {
    "list": read_lines,
    "table": _read_annotations,
    "JSON lines": lambda path: _read(TASK, path),
    "idx file": lambda path: _read_idx(path, 1),
    "YAML": read_yaml,
    "MATLAB": lambda path: read_mat(path, ("X",)),
    "Parquet": lambda path: ParquetRows([path]),
    "JSON": files.read_json,
    "CSV": files.read_csv,
    "safetensors": files.read_safetensors,
    "mapped safetensors": files.map_safetensors,
    "tokenizer": lambda path: read_tokenizer(path, 8, path),
    "SHA-256": files.sha256_file,
    "published": lambda path: read_tensors(path.rename(path.with_suffix(".pt"))),
    "published safetensors": lambda path: read_tensors(
        path.rename(path.with_suffix(".safetensors"))
    ),
}


@pytest.mark.parametrize("kind", READERS)
def test_no_reader_waits_at_a_pipe(tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=rf"^{tmp_path}/pipe\S* .*is no regular file"):
        READERS[kind](tmp_path / "pipe")


def test_names_are_shown_escaped(tmp_path, rng):
    """Line breaks, a terminal's escape codes, bytes that are no UTF-8: one line of UTF-8."""
    names = [b"two\nlines.png", b"\x1b[31mred\x1b[0m.png", b"latin-\xe9.png", b"\xff\xfe\r.png"]
    names.append(bytes(rng.choice([*range(1, 47), *range(48, 256)], 12).tolist()) + b".png")
    for name in names:
        path = os.path.join(os.fsencode(tmp_path), name)
        with open(path, "wb") as file:
            file.write(b"nothing")
        with pytest.raises(UserError) as caught:
            FileRows([os.fsdecode(path)], [0])[0]
        message = str(caught.value)
        assert message.isprintable() and "no complete image" in message
        message.encode("utf-8")


@pytest.mark.parametrize("links", [{"a/in": "."}, {"a/in": ".."}, {"a/in": "../b", "b/in": "../a"}])
def test_folders_in_a_circle_are_refused(tmp_path, links):
    for link, target in links.items():
        (tmp_path / link).parent.mkdir()
        (tmp_path / link).symlink_to(target)
    with pytest.raises(UserError, match="/in is a link to a folder that holds it: remove the link"):
        list_folder(tmp_path)


def test_links_to_other_folders_are_followed(tmp_path):
    for name in ("data/cats", "elsewhere/more"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "one.png").touch()
    (tmp_path / "data" / "cats" / "in").symlink_to(tmp_path / "elsewhere")
    rows, _ = list_folder(tmp_path / "data")
    found = [str(Path(path).relative_to(tmp_path)) for path in rows.paths]
    assert found == ["data/cats/one.png", "data/cats/in/more/one.png"]


def test_folders_of_archives_and_storage_boxes_are_no_classes(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tangent"), "propagate", True)
    for place in ("cats", "dogs", *FOREIGN, *(f"cats/{name}" for name in FOREIGN)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "one.png").touch()
    rows, classes = list_folder(tmp_path)
    assert classes == ("cats", "dogs") and list(rows.labels) == [0, 1]
    names = ", ".join(sorted(FOREIGN))
    # Twice, where an earlier test has left the logger without its parent.
    assert list(dict.fromkeys(caplog.messages)) == [
        f"{place}: left out {names}, which other programs put there"
        for place in (tmp_path, tmp_path / "cats")
    ]
