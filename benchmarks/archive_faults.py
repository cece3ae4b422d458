"""Does a damaged archive give back what is intact, and does a hostile one do harm?

`damage`: a bit of an archive is changed, or its end is cut off, `--times` times. `glowflow archive extract` has to
report it, and to give back exactly the files of those records that are as they were.

`fuzz`: `--times` archives are changed in all kinds of ways, mostly with checksums that are right again. `glowflow
archive extract`, `verify` or `list` has to read or to refuse each of them: exit code 0 or 2, one sentence, no file
outside the folder, and no more than a gigabyte of memory beyond what the process has before.

    python -m benchmarks.archive_faults damage results/compression/faults.jsonl runs/digits
    python -m benchmarks.archive_faults fuzz results/compression/faults.jsonl runs/digits --times 100 --seed 0,1,2
"""

import argparse
import io
import os
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from benchmarks.lines import Line, complete
from glowflow.cli import main as glowflow
from glowflow.codec.archive import Contents, read
from glowflow.codec.records import MARK, Record, read_records, write_record
from glowflow.config import GlowConfig
from glowflow.stored import StoredModel

BLOCK = 20
"""Images of a block. The first ones are coded without the model."""
GIGABYTE = 2**30
EXTREMES = [b"\0", b"\xff", b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0" * 8, b"\1\0\0\0", b"\0\0\1\0"]

LONGEST = 1000
"""Characters that a command may write to standard error."""
COMMANDS = ["extract", "verify", "extract", "list"]
Files = dict[str, bytes]


class Attempt(NamedTuple):
    """What a command did."""

    code: int
    told: str
    """What it wrote to standard error."""


def made(model: str, folder: Path) -> bytes:
    """An archive of images in several blocks, and of files that are kept as they are, among them an archive."""
    config = StoredModel.open(model).config
    pictures(config, folder)
    archive, older = folder.with_suffix(".glow"), folder / "older.glow"
    attempt("create", model, folder, older, "--block", BLOCK)
    os.utime(older, ns=(0, 0))
    attempt("create", model, folder, archive, "--block", BLOCK)
    return archive.read_bytes()


def pictures(config: GlowConfig, folder: Path, count: int = 50) -> None:
    """Fill a folder with images of a model's shape, smooth ones and noise, and with other files."""
    rng = np.random.default_rng(0)
    channels, height, width = config.image_shape
    folder.mkdir()
    for number in range(count):
        rows, columns, _ = np.indices((height, width, channels))
        smooth = 100 + 3 * rows + 2 * columns + number % 7 + rows * columns * number % 5
        values = rng.integers(0, 256, smooth.shape) if number % 10 == 9 else smooth
        values = values.astype(np.uint8) & np.uint8(256 - 2 ** (8 - config.num_bits))
        image = Image.fromarray(values.squeeze(2) if channels == 1 else values)
        image.save(folder / f"{number:03}.{'ppm' if number % 4 == 3 else 'png'}")
    (folder / "notes.txt").write_text("Some lines.\n" * 20)
    Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8)).save(folder / "050.jpg")


def damage(model: str, times: int, seed: int) -> Line:
    """Change a bit or cut the end off, and extract. Counts of what happened, and what was wrong."""
    rng, wrong = random.Random(seed), []
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        data, archive, out = made(model, home / "folder"), home / "damaged.glow", home / "out"
        records = _files_by_record(home / "folder.glow", files_of(home / "folder"))
        lost = []
        for number in range(times):
            changed, hit = _cut(rng, data) if number % 4 == 3 else _flipped(rng, data)
            archive.write_bytes(changed)
            expected = {name: content for span, files in records if not hit(span) for name, content in files.items()}
            found = attempt("extract", model, archive, out)
            if found.code != 2 or " is damaged (" not in found.told or files_of(out) != expected:
                wrong.append({"number": number, "code": found.code, "told": found.told})
            lost.append(len(files_of(home / "folder")) - len(expected))
            _clear(out)
    return {"detected_and_the_rest_recovered": times - len(wrong), "files_lost": sum(lost) / times, "wrong": wrong}


def _files_by_record(archive: Path, files: Files) -> list[tuple[range, Files]]:
    """The bytes that each record with files has in an archive, and these files."""
    return [
        (
            range(block.record.start, block.record.end),
            {entry.name: files[entry.name] for entry in block.entries},
        )
        for block in read(archive, Contents())
    ]


def _flipped(rng: random.Random, data: bytes) -> tuple[bytes, Callable[[range], bool]]:
    """Data with another bit, and a function that says if a range has been hit."""
    place, changed = rng.randrange(len(data)), bytearray(data)
    changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed), lambda span: place in span


def _cut(rng: random.Random, data: bytes) -> tuple[bytes, Callable[[range], bool]]:
    """Data without its end. At least the first record stays: without any, nothing tells that this was an archive."""
    end = rng.randrange(data.index(MARK, 1), len(data))
    return data[:end], lambda span: end < span.stop


def fuzz(model: str, times: int, seed: int) -> Line:
    """Have changed archives read, and count what happens."""
    told, crashes, seconds = Counter[str](), [], 0.0
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        (home / "inside").mkdir()
        data = made(model, home / "folder")
        archive, before = home / "fuzzed.glow", _memory()
        limited(GIGABYTE)
        for number in range(times):
            archive.write_bytes(fuzzed(f"{seed} {number}", data))
            start = time.monotonic()
            problem = harm(model, archive, home / "inside", COMMANDS[number % len(COMMANDS)], told)
            seconds = max(seconds, time.monotonic() - start)
            if problem or {each.name for each in home.iterdir()} != {"folder", "folder.glow", "fuzzed.glow", "inside"}:
                crashes.append({"number": number, "problem": problem or "a file outside the folder"})
        megabytes = (_memory() - before) / 1024
    return {
        "crashes": crashes,
        "longest_seconds": round(seconds, 2),
        "more_memory_in_mb": round(megabytes),
        "told": dict(told.most_common()),
    }


def harm(model: str, archive: Path, place: Path, command: str, told: "Counter[str]") -> str:
    """What is wrong with how a command reads an archive; empty if nothing is. The kind of its message is counted."""
    words: list[object] = [archive] if command == "list" else [model, archive]
    try:
        found = attempt(command, *words, *([place / "out"] if command == "extract" else []))
    except Exception as error:  # any error is a crash
        return repr(error)
    finally:
        _clear(place / "out")
    told[_kind(found)] += 1
    last = found.told.rstrip("\n").rpartition("\n")[2]
    is_sentence = last.startswith("glowflow: ") and "Traceback" not in found.told and len(found.told) < LONGEST
    is_fine = found.code == 0 or (found.code == 2 and is_sentence)
    return "" if is_fine else f"exit code {found.code}: {found.told}"


def _kind(found: Attempt) -> str:
    """What a command's message says, without names and numbers."""
    kinds = ["is damaged (", "isn't a glowflow archive", "isn't as glowflow writes it", "images are damaged"]
    kinds += ["another model", "another version", "newer version", "can't have", "can't be written here"]
    return next((kind for kind in kinds if kind in found.told), "other" if found.code else "read")


def fuzzed(seed: str, data: bytes) -> bytes:
    """An archive that is changed in some way."""
    rng = random.Random(seed)
    if rng.random() < 0.3:
        return _changed(rng, data)
    records = _records(data)
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(records))
        kind, index, content = records[at]
        records[at] = rng.choice(
            [
                (kind, index, _changed(rng, content)),
                (kind, _changed(rng, index), content),
                (kind, _changed(rng, index[:40]) + index[40:], content),
                (rng.choice([b"head", b"imgs", b"file", b"end.", b"\0\0\0\0"]), index, content),
                records[rng.randrange(len(records))],
                (kind, rng.randbytes(rng.randrange(2000)), content),
                (kind, index, rng.randbytes(rng.randrange(2000))),
            ]
        )
    if rng.random() < 0.1:
        rng.shuffle(records)
    file = io.BytesIO()
    for record in records:
        write_record(file, *record)
    return file.getvalue()


def _records(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Kind, index and content of each record."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "archive"
        path.write_bytes(data)
        found = (record for record in read_records(path) if isinstance(record, Record))
        return [(record.kind, record.index, record.read()) for record in found]


def _changed(rng: random.Random, data: bytes) -> bytes:
    """Bytes with some changes of any kind."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        at, other, length = (rng.randrange(len(changed) + 1) for _ in range(3))
        piece = changed[other : other + min(length, 100)]
        kind = rng.randrange(6)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            extreme = rng.choice(EXTREMES)
            changed[at : at + len(extreme)] = extreme
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = piece
        elif kind == 4:
            changed[at : at + len(piece)] = piece
        else:
            changed[at:at] = rng.randbytes(rng.randrange(40))
    return bytes(changed)


def attempt(command: str, *words: object) -> Attempt:
    """Run `glowflow archive`."""
    threads = [] if command == "list" else ["--threads", "1"]
    told = io.StringIO()
    with redirect_stderr(told), redirect_stdout(io.StringIO()):
        code = glowflow(["archive", command, *map(str, words), *threads])
    return Attempt(code, told.getvalue())


def limited(more: int) -> None:
    """Let this process have so many bytes of address space more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * os.sysconf("SC_PAGE_SIZE") + more, resource.RLIM_INFINITY))


def _memory() -> int:
    """The most memory that this process has had so far, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def files_of(folder: Path) -> Files:
    """The name of each file with its content, or, for an image, with its pixels."""
    return {path.relative_to(folder).as_posix(): _content(path) for path in folder.rglob("*") if path.is_file()}


def _content(path: Path) -> bytes:
    if path.suffix not in {".png", ".ppm"}:
        return path.read_bytes()
    with Image.open(path) as image:
        return f"{image.format} {image.mode} {image.size}".encode() + image.tobytes()


def _clear(folder: Path) -> None:
    """Remove what was extracted."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    if folder.is_dir():
        folder.rmdir()


def measure(fault: str, **settings: str | int) -> Line:
    """The measurement of either fault."""
    return (damage if fault == "damage" else fuzz)(**settings)  # type: ignore[arg-type]


def main(words: Sequence[str] | None = None) -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fault", choices=["damage", "fuzz"])
    parser.add_argument("out", type=Path)
    parser.add_argument("model")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", default="0", help="seeds, separated by commas; each is a measurement of its own")
    options = parser.parse_args(words)
    common = {"fault": options.fault, "model": options.model, "times": options.times}
    for line in complete(options.out, measure, [common | {"seed": int(seed)} for seed in options.seed.split(",")]):
        print({key: value for key, value in line.items() if key in {"seed", *common} or not isinstance(value, str)})


if __name__ == "__main__":
    main()
