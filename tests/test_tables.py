"""Tables fit into the terminal, and nothing of them is cut."""

import pytest
from rich.text import Text

from glowflow.cli import main
from glowflow.commands.tables import print_table


@pytest.mark.parametrize("width", [80, 110, 240])
@pytest.mark.parametrize("command", ["presets", "data list", "experiment"])
def test_lists_fit_into_terminals(
    command: str, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(command.split()) == 0
    out = Text.from_ansi(capsys.readouterr().out).plain
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    assert ("the table also shows: " in out) == (width < 240)


def test_a_file_gets_whole_rows(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["data", "list"]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if "5,000 handwritten" in line)
    assert "1x28x28, 1x32x32" in row
    assert "4,000 / 500 / 500" in row


def test_spare_columns_are_left_out_in_their_order(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    columns, texts = ("a", "b", "c", "d"), ("1" * 10, "2" * 30, "3" * 20, "4" * 5)
    for width, shown in ((100, "abcd"), (60, "acd"), (40, "ad")):
        monkeypatch.setenv("COLUMNS", str(width))
        print_table("title", columns, [texts], spare=("b", "c", "d"))
        out = capsys.readouterr().out
        for column, text in zip(columns, texts, strict=True):
            assert (text in out) == (column in shown)
        left_out = ", ".join(column for column in columns if column not in shown)
        assert f"also shows: {left_out}." in " ".join(out.split()) if left_out else "also shows" not in out
