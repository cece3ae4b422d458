"""A release's tag, version, changelog and citation agree, or the check of a release refuses them."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CHECK = ROOT / ".ci" / "release"
pytestmark = pytest.mark.skipif(not CHECK.exists(), reason="an sdist has no .ci")


def checked(folder: Path, version: str, headings: str, tag: str = "") -> subprocess.CompletedProcess[str]:
    """The check's result on a repository whose last release, by its citation, is 1.0.0 on 2026-01-02."""
    (folder / ".ci").mkdir()
    shutil.copy(CHECK, folder / ".ci")
    (folder / "src" / "glowflow").mkdir(parents=True)
    (folder / "src" / "glowflow" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n{headings}\n")
    (folder / "CITATION.cff").write_text("version: 1.0.0\ndate-released: 2026-01-02\n")
    git = ("git", "-c", "user.name=n", "-c", "user.email=e", "-C", folder)
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "m"], ["tag", tag] if tag else ["status"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    return subprocess.run(["bash", folder / ".ci" / "release"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("version", "headings", "tag"),
    [
        ("1.0.0", "## 1.0.0 - 2026-01-02", "v1.0.0"),
        ("1.0.0", "## 1.0.0 - 2026-01-02\n## 0.9.0 - 2025-01-01", ""),
        ("1.1.0.dev0", "## Unreleased\n## 1.0.0 - 2026-01-02", ""),
    ],
)
def test_what_agrees_passes(version: str, headings: str, tag: str, tmp_path: Path) -> None:
    assert checked(tmp_path, version, headings, tag).returncode == 0


@pytest.mark.parametrize(
    ("version", "headings", "tag", "message"),
    [
        ("1.0.0", "## 1.0.0 - 2026-01-02", "v1.0.1", "The tag is v1.0.1, but the version is 1.0.0."),
        ("1.1.0.dev0", "## Unreleased\n## 1.0.0 - 2026-01-02", "v1.1.0", "the version is 1.1.0.dev0"),
        ("1.0.0", "## Unreleased\n## 1.0.0 - 2026-01-02", "", "dated heading"),
        ("1.1.0.dev0", "## 1.0.0 - 2026-01-02", "", "needs '## Unreleased'"),
        ("1.0.0", "## 1.0.0 - 2026-01-03", "", "CITATION.cff is of 1.0.0 on 2026-01-02"),
        ("1.1.0.dev0", "## Unreleased", "", "the last release in CHANGELOG.md is ''"),
    ],
)
def test_what_disagrees_is_refused(version: str, headings: str, tag: str, message: str, tmp_path: Path) -> None:
    result = checked(tmp_path, version, headings, tag)
    assert result.returncode == 1
    assert message in result.stderr


def test_this_repository_agrees() -> None:
    subprocess.run(["bash", CHECK], check=True)
