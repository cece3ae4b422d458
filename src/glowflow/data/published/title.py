"""The title of a prepared data set: its name, and how it differs from the published data set."""

import gzip
from collections.abc import Mapping
from hashlib import file_digest, md5
from pathlib import Path

from glowflow.data.dataset import Split
from glowflow.data.published.reading import Reading, refused
from glowflow.progress import say

WORDS: Mapping[Split, str] = {"train": "training", "validation": "validation", "test": "test"}


def title(name: str, reading: Reading, num_images: Mapping[Split, int]) -> str:
    """The name, with counts and files that differ from the published ones, which are also reported."""
    differences = _counts(reading, num_images) or _digests(reading)
    whole = ", ".join(filter(None, (name, reading.remark, differences)))
    if differences:
        say(f"{whole}: results on these images can't be compared with published figures.")
    return whole


def _counts(reading: Reading, num_images: Mapping[Split, int]) -> str:
    if len(num_images) == 1:  # published without splits
        found, published = sum(map(len, reading.parts.values())), next(iter(num_images.values()))
        return f"{found:,} of {published:,} images" if found != published else ""
    counts = {split: len(reading.parts[split]) if split in reading.parts else 0 for split in num_images}
    differing = [split for split in num_images if counts[split] != num_images[split]]
    return " and ".join(f"{counts[s]:,} of {num_images[s]:,} {WORDS[s]} images" for s in differing)


def _digests(reading: Reading) -> str:
    for path, published in reading.md5.items():
        found = _md5(path)
        if found != published:
            say(f"{path} isn't the published file: its MD5 is {found}, not {published}.")
            return f"with another {path.name}"
    return ""


def _md5(path: Path) -> str:
    """The digest of a file's decompressed content."""
    with refused(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return file_digest(file, lambda: md5(usedforsecurity=False)).hexdigest()
