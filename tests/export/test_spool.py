"""Batches on disk: they outlive their process, and nobody else gets at them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from otelier import _guard
from otelier.export.rank import Rank
from otelier.export.spool import Entry, Spool, Unreadable

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def nothing_was_said() -> None:
    _guard._said_at.clear()


def entry(count: int = 3, signal: str = "traces") -> Entry:
    return Entry(signal, count, f"id-{count}", "gzip", Rank.WARNING)


def left_by_another(folder: Path, *counts: int, ends: str = "os._exit(0)") -> None:
    """A process that keeps batches, and ends."""
    program = f"""
import os, signal
from pathlib import Path
from otelier.export.spool import Spool
from tests.export.test_spool import entry
spool = Spool(Path({str(folder)!r}), 10**6)
for count in {counts!r}:
    assert spool.keep(entry(count), b"body %d" % count)
{ends}
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=30, check=False)


def test_kept_and_read(tmp_path: Path) -> None:
    """As it was given, in a file that only its owner reads; nothing is left when it is removed."""
    folder = tmp_path / "new" / "spool"
    spool = Spool(folder, 10**6)
    assert list(folder.iterdir()) == []
    kept = spool.keep(entry(), b"body")
    assert kept is not None
    assert (spool.read(kept), kept.count) == (b"body", 3)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert kept.path.stat().st_mode & 0o777 == 0o600
    spool.remove(kept)
    assert [path.suffix for path in folder.iterdir()] == [".lock"]


@pytest.mark.parametrize("ends", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_taken_over(tmp_path: Path, ends: str) -> None:
    """However its process ended, all of it, once, as it was; then even its lock is gone."""
    left_by_another(tmp_path, 1, 2, ends=ends)
    spool, later = Spool(tmp_path, 10**6), Spool(tmp_path, 10**6)
    entries, unreadable = spool.adopt(["traces"])["traces"]
    assert (later.adopt(["traces"]), unreadable) == ({}, 0)
    assert [found.count for found in entries] == [1, 2]
    assert [spool.read(found) for found in entries] == [b"body 1", b"body 2"]
    first = entries[0]
    assert (first.batch_id, first.encoding, first.rank) == ("id-1", "gzip", Rank.WARNING)
    for found in entries:
        spool.remove(found)
    assert list(tmp_path.iterdir()) == []


def test_the_living_keep_theirs(tmp_path: Path) -> None:
    """Two processes share a folder."""
    one, other = Spool(tmp_path, 10**6), Spool(tmp_path, 10**6)
    assert one.keep(entry(), b"1")
    assert other.keep(entry(), b"2")
    assert (one.adopt(["traces"]), other.adopt(["traces"])) == ({}, {})


def test_what_nobody_can_send_stays(tmp_path: Path) -> None:
    """A process without log records leaves them to one that has some."""
    left_by_another(tmp_path, 1)
    assert Spool(tmp_path, 10**6).adopt(["logs"]) == {}
    assert list(Spool(tmp_path, 10**6).adopt(["logs", "traces"])) == ["traces"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:20],
        lambda content: b"",
        lambda content: content + b"x",
        lambda content: b"\xff" * len(content),
        lambda content: content.replace(b'"rank": 2', b'"rank": 99'),
        lambda content: content.replace(b'"otelier_spool": 1', b'"otelier_spool": 2'),
    ],
)
def test_a_damaged_file(tmp_path: Path, damage: object) -> None:
    """Is told apart, counted by its name, and removed; the others are taken over."""
    left_by_another(tmp_path, 1, 20, 3)
    (victim,) = tmp_path.glob("*-20.batch")
    victim.write_bytes(damage(victim.read_bytes()))  # type: ignore[operator]
    entries, unreadable = Spool(tmp_path, 10**6).adopt(["traces"])["traces"]
    assert ([found.count for found in entries], unreadable) == ([1, 3], 20)
    assert not victim.exists()


def test_a_flipped_bit(tmp_path: Path) -> None:
    """Is found when the batch is about to be sent."""
    spool = Spool(tmp_path, 10**6)
    kept = spool.keep(entry(), b"body")
    assert kept is not None
    kept.path.write_bytes(kept.path.read_bytes().replace(b"body", b"bods"))
    with pytest.raises(Unreadable):
        spool.read(kept)
    kept.path.unlink()
    with pytest.raises(Unreadable):
        spool.read(kept)


def test_a_writer_that_was_killed(tmp_path: Path) -> None:
    """Half a file under its first name is no batch."""
    left_by_another(tmp_path, 1)
    (whole,) = tmp_path.glob("*.batch")
    whole.rename(whole.with_suffix(".part"))
    assert Spool(tmp_path, 10**6).adopt(["traces"]) == {"traces": ([], 1)}
    assert list(tmp_path.iterdir()) == []


def test_strangers_files_are_left_alone(tmp_path: Path) -> None:
    """What is not ours is neither read nor removed."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "a-b-c.batch").write_text("mine too")
    assert Spool(tmp_path, 10**6).adopt(["traces"]) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-b-c.batch", "notes.txt"]


def test_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No byte more than it may hold, those of other processes among them; said once."""
    left_by_another(tmp_path, 5)
    spool = Spool(tmp_path, 1_400)
    assert [bool(spool.keep(entry(), b"x" * 500)) for _ in range(4)] == [True, False, False, False]
    assert spool.used() <= 1_400
    assert not spool.is_usable
    (said,) = capsys.readouterr().err.splitlines()
    assert "OTELIER_SPOOL_BYTES=1400 is reached; kept in memory" in said


def test_a_disk_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch stays where it was, and nothing half-written is left."""
    spool = Spool(tmp_path, 10**6)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("otelier.export.spool.Path.rename", full)
    assert spool.keep(entry(), b"body") is None
    assert not spool.is_usable
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_no_links(tmp_path: Path) -> None:
    """Neither the folder nor a file in it may be one: who can write there must not choose where."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(OSError, match="no symbolic link"):
        Spool(tmp_path / "link", 10**6)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="exists"):
        Spool(tmp_path / "file", 10**6)
    left_by_another(tmp_path / "real", 7)
    (batch,) = (tmp_path / "real").glob("*.batch")
    batch.rename(tmp_path / "elsewhere")
    batch.symlink_to(tmp_path / "elsewhere")
    assert Spool(tmp_path / "real", 10**6).adopt(["traces"]) == {}


def test_a_folder_open_to_others_is_closed(tmp_path: Path) -> None:
    """Its mode is put right."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    Spool(folder, 10**6)
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_folder(tmp_path: Path) -> None:
    """Is refused."""
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(OSError, match="belongs to another user"):
        Spool(tmp_path, 10**6)


def test_a_forked_child_is_another_owner(tmp_path: Path) -> None:
    """It has nothing of its parent's, whose lock it does not hold on to when it lives longer."""
    spool = Spool(tmp_path, 10**6)
    kept = spool.keep(entry(), b"parent's")
    assert kept is not None
    if (pid := os.fork()) == 0:
        spool.begin()
        ok = spool.adopt(["traces"]) == {} and spool.keep(entry(9), b"child's") is not None
        os._exit(0 if ok else 1)
    assert os.waitpid(pid, 0)[1] == 0
    entries, _ = spool.adopt(["traces"])["traces"]
    assert [spool.read(found) for found in entries] == [b"child's"]
    assert spool.read(kept) == b"parent's"
