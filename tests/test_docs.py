"""Pages that are generated are up to date; what they name and link to exists."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from otelier import JSONFormatter, cli
from otelier.cli import settings, signals
from otelier.cli.collector import variables

ROOT = Path(__file__).parents[1]
GENERATED = {"settings": settings.markdown, "signals": signals.markdown}
SKIPPED = {"build", "dist", "node_modules"}

# A command of ours in code: at the start, perhaps after a prompt, variables or a folder.
_COMMAND = re.compile(
    r"^\s*(?:\$ )?(?:[A-Z_]+=\S* )*(?:\S+/)?otelier +([a-z][a-z-]*)", re.MULTILINE
)
_CODE = re.compile(r"```(?:\w*)\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def pages() -> list[Path]:
    """Every page of the repository, in no folder that is made or hidden."""

    def found() -> Iterator[Path]:
        for page in ROOT.rglob("*.md"):
            folders = page.relative_to(ROOT).parts[:-1]
            if not any(f in SKIPPED or f.startswith(".") for f in folders):
                yield page

    return sorted(found())


def commands_in(text: str) -> set[str]:
    """First words after `otelier` in the code of a page."""
    code = "\n".join(block or inline for block, inline in _CODE.findall(text))
    return set(_COMMAND.findall(code))


def commands() -> set[str]:
    """What the command line knows."""
    parser = cli._parser()
    return {name for a in parser._actions if isinstance(a.choices, dict) for name in a.choices}


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links to no file, and links to a heading that the page does not have."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [link for link in _LINK.findall(text) if not _resolves(page, link, text)]


def _resolves(page: Path, link: str, text: str) -> bool:
    if re.match(r"[a-z]+:", link):
        return True
    path, _, heading = link.partition("#")
    target = page.parent / path if path else page
    if path and not target.exists():
        return False
    if not heading or target.suffix != ".md":
        return True
    return heading in _anchors(target.read_text(encoding="utf-8") if path else text)


def _anchors(text: str) -> set[str]:
    """Headings as GitHub links to them."""
    titles = re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """docs/NAME.md is what `otelier NAME --markdown` prints."""
    page = ROOT / "docs" / f"{name}.md"
    assert page.read_text(encoding="utf-8") == GENERATED[name]()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_documented_commands_exist(page: Path) -> None:
    """No page tells to run a command that the command line does not know."""
    assert commands_in(page.read_text(encoding="utf-8")) - commands() == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    """Every relative link leads to a file, and to a heading if it names one."""
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


def test_variables_of_the_collector_are_documented() -> None:
    """Every variable of the launcher is on one of its two pages, and no page names another one."""
    both = [(ROOT / "docs" / name).read_text() for name in ("collector.md", "backends.md")]
    named = set(re.findall(r"\b(?:OTELIER|DD|ELASTIC|ELASTICSEARCH)_[A-Z_]+\b", "".join(both)))
    table = vars(variables).items()
    known = {value for name, value in table if name.isupper() and isinstance(value, str)}
    assert named == known


def test_a_missing_command_is_found() -> None:
    """The check of commands can fail, and reads code alone."""
    block = "PATH=x otelier settings\n$ .venv/bin/otelier sing\npip install otelier fastapi"
    text = f"Run `otelier frobnicate --x` or\n```sh\n{block}\n```\n"
    assert commands_in(text + "otelier says") == {"frobnicate", "settings", "sing"}
    assert "frobnicate" not in commands() >= {"settings", "signals"}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """The check of links can fail."""
    (tmp_path / "there.md").write_text("# A heading, with `code`\n")
    good = "[a](there.md) [b](there.md#a-heading-with-code) [c](https://x.example/y) [d](#here)"
    bad = "[e](gone.md) [f](there.md#gone) [g](#gone)"
    text = f"# Here\n{good} {bad}\n```\n[in code](gone.md)\n```\n"
    assert broken_links(tmp_path / "page.md", text) == ["gone.md", "there.md#gone", "#gone"]


def test_examples_of_business_metrics_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Each Python block of docs/business.md runs, nothing of it is left out; the line is said."""
    text = (ROOT / "docs" / "business.md").read_text(encoding="utf-8")
    names: dict[str, object] = {"__name__": "docs"}
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(block, "docs/business.md", "exec"), names)
    assert capsys.readouterr().err == ""
    names["created"].add(1, user_id=7)  # type: ignore[attr-defined]
    assert capsys.readouterr().err in text


def test_the_collector_can_scrape() -> None:
    """The file of docs/prometheus.md fits the collector's own, and needs no piece but contrib's."""
    text = (ROOT / "docs" / "prometheus.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    mine = yaml.safe_load(block)
    base = yaml.safe_load((ROOT / "collector" / "config" / "base.yaml").read_text())
    modules = (ROOT / "tests" / "collector" / "contrib-modules.txt").read_text()
    (pipeline,) = mine["service"]["pipelines"].values()
    assert pipeline["receivers"] == list(mine["receivers"]) == ["prometheus"]
    assert "/receiver/prometheusreceiver\n" in modules
    assert set(pipeline["processors"]) <= set(base["processors"])
    assert set(pipeline["exporters"]) <= set(base["connectors"])
    assert not set(mine["service"]["pipelines"]) & set(base["service"]["pipelines"])


def test_examples_of_logs_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Each Python block of docs/logs.md runs, and its JSON line has the names that are told."""
    text = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    try:
        for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
            exec(compile(block, "docs/logs.md", "exec"), {"__name__": "docs"})
    finally:
        logging.getLogger("shop").handlers.clear()
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "order 7 is late"
    (shown,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    plain = logging.LogRecord("shop", logging.INFO, "orders.py", 41, "", (), None, "pay")
    assert json.loads(JSONFormatter().format(plain)).keys() <= json.loads(shown).keys()
