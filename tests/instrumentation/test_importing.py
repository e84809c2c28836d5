"""Hooks that wait for a module, with real modules in files.

Real parts: Python's import system, wrapt's finder beside ours.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from otelier import _guard
from otelier.instrumentation import importing
from otelier.instrumentation.importing import _finder, when_imported

NAME = "a_module_that_is_waited_for"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / f"{NAME}.py").write_text("value = 1\nloader = __spec__.loader\n")
    yield tmp_path
    for name in [each for each in sys.modules if each.startswith(NAME)]:
        del sys.modules[name]


def test_after_the_import() -> None:
    """Each hook once, in their order, when the module's own code has run."""
    seen: list[tuple[str, int]] = []
    when_imported(NAME, lambda module: seen.append(("first", module.value)))
    when_imported(NAME, lambda module: seen.append(("second", module.value)))
    assert seen == []
    module = importlib.import_module(NAME)
    importlib.import_module(NAME)
    assert seen == [("first", 1), ("second", 1)]
    when_imported(NAME, lambda module: seen.append(("late", module.value)))
    assert seen[2:] == [("late", 1)]
    importlib.reload(module)
    assert len(seen) == 3


def test_a_module_is_as_without_us(folder: Path) -> None:
    """Its loader, while its code runs and afterwards, its spec, source and what is found of it."""
    bare = importlib.import_module(NAME)
    del sys.modules[NAME]
    when_imported(NAME, lambda _: None)
    spec = importlib.util.find_spec(NAME)
    assert spec is not None
    assert spec.origin == str(folder / f"{NAME}.py")
    assert spec.loader.get_source(NAME).startswith("value = 1")  # type: ignore[union-attr]
    module = importlib.import_module(NAME)
    for each in (module.__loader__, module.__spec__.loader, module.loader):  # type: ignore[union-attr]
        assert type(each) is type(bare.__loader__)
    assert module.__spec__.origin == bare.__spec__.origin  # type: ignore[union-attr]
    assert vars(module).keys() == vars(bare).keys()


def test_a_package_and_what_is_in_it(folder: Path) -> None:
    """A hook for a submodule waits for that one; the package finds its parts as ever."""
    package = folder / f"{NAME}s"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("value = 2\n")
    (package / "data.txt").write_text("data")
    seen: list[str] = []
    when_imported(f"{NAME}s", lambda module: seen.append(module.__name__))
    when_imported(f"{NAME}s.part", lambda module: seen.append(module.__name__))
    module = importlib.import_module(f"{NAME}s")
    assert seen == [f"{NAME}s"]
    assert importlib.import_module(f"{NAME}s.part").value == 2
    assert seen == [f"{NAME}s", f"{NAME}s.part"]
    from importlib.resources import files

    assert (files(module) / "data.txt").read_text() == "data"


def test_a_zip_archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose modules share one loader."""
    archive = folder / "archive.zip"
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr(f"{NAME}_zipped.py", "value = 3")
        written.writestr(f"{NAME}_other.py", "value = 4")
    monkeypatch.syspath_prepend(archive)
    seen: list[int] = []
    when_imported(f"{NAME}_zipped", lambda module: seen.append(module.value))
    assert importlib.import_module(f"{NAME}_other").value == 4
    assert seen == []
    importlib.import_module(f"{NAME}_zipped")
    assert seen == [3]


def test_a_module_that_fails(folder: Path) -> None:
    """Its own error, no call; the next attempt, when it works, is told of."""
    path = folder / f"{NAME}_failing.py"
    path.write_text("raise ValueError('its own')\n")
    seen: list[ModuleType] = []
    when_imported(f"{NAME}_failing", seen.append)
    with pytest.raises(ValueError, match="its own"):
        importlib.import_module(f"{NAME}_failing")
    assert seen == []
    path.write_text("value = 'it works, in another length'\n")
    importlib.invalidate_caches()
    assert importlib.import_module(f"{NAME}_failing") is seen[0]


def test_a_hook_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """The import goes on, and the other hooks are called; it is counted and said."""
    seen: list[ModuleType] = []
    when_imported(NAME, lambda module: module.no_such_name)
    when_imported(NAME, seen.append)
    assert importlib.import_module(NAME) is seen[0]
    assert _guard.faults.pop(f"observing {NAME}") == 1
    assert f"observing {NAME} failed: AttributeError" in capsys.readouterr().err


def test_a_fault_of_the_finder(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module is imported as without us."""
    when_imported(NAME, lambda _: None)
    monkeypatch.setattr(importing, "_of_others", lambda *_: 1 / 0)
    assert importlib.import_module(NAME).value == 1
    assert _guard.faults.pop(f"finding {NAME}") == 1


def test_one_that_is_not_there() -> None:
    """Waits for ever, and is not found for being waited for."""
    when_imported(f"{NAME}_missing", lambda _: None)
    assert importlib.util.find_spec(f"{NAME}_missing") is None
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"{NAME}_missing")


def test_a_module_that_replaces_itself(folder: Path) -> None:
    """The hook gets what `import` gives."""
    (folder / f"{NAME}_lazy.py").write_text(
        "import sys, types\nsys.modules[__name__] = types.SimpleNamespace(value=5)\n"
    )
    seen: list[int] = []
    when_imported(f"{NAME}_lazy", lambda module: seen.append(module.value))
    assert importlib.import_module(f"{NAME}_lazy").value == 5
    assert seen == [5]


@pytest.mark.parametrize("first", ["ours", "wrapt"])
def test_beside_wrapt(first: str) -> None:
    """Whoever stands in front, both are told, once."""
    from wrapt import register_post_import_hook

    seen: list[str] = []
    when_imported(NAME, lambda _: seen.append("ours"))
    register_post_import_hook(lambda _: seen.append("wrapt"), NAME)
    (theirs,) = (each for each in sys.meta_path if type(each).__name__ == "ImportHookFinder")
    front: Any = _finder if first == "ours" else theirs
    sys.meta_path.remove(front)
    sys.meta_path.insert(0, front)
    module = importlib.import_module(NAME)
    assert sorted(seen) == ["ours", "wrapt"]
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_beside_one_that_asks_the_others_as_ours_does() -> None:
    """Two that ask each other come to an end."""

    class Another:
        def find_spec(self, name: str, path: object = None, target: object = None) -> object:
            others = (each for each in sys.meta_path if type(each) is not Another)
            found = (each.find_spec(name, path, target) for each in others)  # type: ignore[arg-type]
            return next((spec for spec in found if spec is not None), None)

    another = Another()
    seen: list[ModuleType] = []
    when_imported(NAME, seen.append)
    sys.meta_path.insert(0, another)  # type: ignore[arg-type]
    try:
        assert importlib.import_module(NAME) is seen[0]
    finally:
        sys.meta_path.remove(another)  # type: ignore[arg-type]
    assert len(seen) == 1


def test_from_many_threads() -> None:
    """All get the module when the hook has run, and it has run once."""
    seen: list[ModuleType] = []
    when_imported(NAME, seen.append)
    start = threading.Barrier(8)
    found: list[int] = []

    def work() -> None:
        start.wait()
        importlib.import_module(NAME)
        found.append(len(seen))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 8
