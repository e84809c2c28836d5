"""`otelier collector`: from variables to arguments, and every way to get it wrong."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from otelier.cli.collector import binary, machine
from otelier.cli.collector import variables as v
from otelier.cli.collector.choice import BACKENDS, EXTENSIONS, FEATURES, Choice, choose, is_loopback

CONFIG = Path(__file__).resolve().parents[2] / "collector" / "config"
STORAGE = Path("/var/lib/somewhere")
SECRET = "s3cr3t-that-nobody-may-see"
GOOD = {
    "DD_API_KEY": "k" * 32,
    "ELASTICSEARCH_URL": "http://127.0.0.1:9200",
    "OTELIER_OTLP_ENDPOINT": "http://127.0.0.1:4319",
}


def chosen(**environ: str) -> Choice:
    choice, problems = choose(GOOD | environ, STORAGE)
    assert problems == []
    return choice


def refused(**environ: str) -> str:
    _, problems = choose(environ, STORAGE)
    assert problems, f"accepted: {environ}"
    return "\n".join(map(str, problems))


# What is chosen


def test_without_any_variable_it_prints_and_keeps_nothing() -> None:
    choice, problems = choose({}, STORAGE)
    assert (choice.files(), choice.storage, problems) == (
        ["base.yaml", "backend/debug.yaml"],
        None,
        [],
    )


def test_each_backend_is_named_once_in_the_order_asked_with_its_queue_on_disk() -> None:
    choice = chosen(OTELIER_BACKEND="elasticsearch, Datadog,elasticsearch,debug")
    assert choice.files() == [
        "base.yaml",
        "backend/elasticsearch.yaml",
        "backend/datadog.yaml",
        "backend/debug.yaml",
        "feature/persistence.yaml",
        "feature/persistence-elasticsearch.yaml",
        "feature/persistence-datadog.yaml",
    ]
    assert choice.storage == STORAGE


def test_storage_can_be_elsewhere_or_off() -> None:
    elsewhere = chosen(OTELIER_BACKEND="otlp", OTELIER_COLLECTOR_STORAGE="/data/q")
    off = chosen(OTELIER_BACKEND="otlp", OTELIER_COLLECTOR_STORAGE="off")
    assert (elsewhere.storage, off.storage) == (Path("/data/q"), None)
    assert off.files() == ["base.yaml", "backend/otlp.yaml"]


def test_the_last_argument_holds_all_extensions_and_the_folder() -> None:
    choice = chosen(OTELIER_BACKEND="otlp", OTELIER_FEATURES="fsync,expose", **EXPOSED)
    last = json.loads(choice.arguments(CONFIG)[-1].removeprefix("--config=yaml:"))
    assert last["service"]["extensions"] == ["health_check", "file_storage", "bearertokenauth"]
    assert last["extensions"]["file_storage"]["directory"] == str(STORAGE)


def test_arguments_survive_a_shell_that_splits_at_blanks() -> None:
    arguments = chosen(OTELIER_BACKEND="datadog,otlp").arguments(Path("/config"))
    assert " ".join(arguments).split() == arguments


def test_every_named_file_exists_whatever_is_chosen() -> None:
    everything = chosen(
        OTELIER_BACKEND=",".join(BACKENDS), OTELIER_FEATURES=",".join(FEATURES), **EXPOSED
    )
    assert [name for name in everything.files() if not (CONFIG / name).is_file()] == []


def test_the_collector_gets_optional_secrets_and_a_memory_limit() -> None:
    environ = chosen(OTELIER_COLLECTOR_MEMORY_MIB="1000").child_environ()
    assert (environ["ELASTIC_API_KEY"], environ["OTELIER_OTLP_HEADERS"]) == ("", "{}")
    assert environ["GOMEMLIMIT"] == "800MiB"


def test_what_the_user_set_reaches_the_collector_unchanged() -> None:
    given = {"GOMEMLIMIT": "1GiB", "ELASTIC_API_KEY": SECRET, "HTTPS_PROXY": "http://proxy:3128"}
    environ = chosen(**given).child_environ()
    assert given.items() <= environ.items()


def test_an_ipv6_address_gets_the_brackets_that_an_endpoint_needs() -> None:
    assert chosen(OTELIER_COLLECTOR_HOST="::1").child_environ()[v.HOST] == "[::1]"


# What is refused

EXPOSED = {
    "OTELIER_COLLECTOR_TLS_CERT": "/cert.pem",
    "OTELIER_COLLECTOR_TLS_KEY": "/key.pem",
    "OTELIER_COLLECTOR_TOKEN": "0123456789abcdef",
}


def test_an_unknown_backend_is_refused_and_the_known_ones_are_named() -> None:
    said = refused(OTELIER_BACKEND="datdog")
    assert said == (
        "OTELIER_BACKEND='datdog' refused: no backend is called 'datdog'\n"
        "hint: known are datadog, debug, elasticsearch, otlp"
    )


def test_a_list_without_a_name_is_refused() -> None:
    assert "names no backend" in refused(OTELIER_BACKEND=" , ")


def test_an_unknown_feature_is_refused_and_the_known_ones_are_named() -> None:
    assert "known are expose, fsync" in refused(OTELIER_FEATURES="fast")


@pytest.mark.parametrize(
    ("backend", "variable"),
    [(name, variable) for name, backend in BACKENDS.items() for variable in backend.needs],
)
@pytest.mark.parametrize("value", ["", "  "])
def test_a_backend_without_its_variable_is_refused(backend: str, variable: str, value: str) -> None:
    environ = GOOD | {"OTELIER_BACKEND": backend, variable: value}
    assert f"{variable} is not set" in refused(**environ)


def test_everything_wrong_is_said_at_once() -> None:
    said = refused(OTELIER_BACKEND="datadog,elasticsearch", OTELIER_COLLECTOR_HTTP_PORT="http")
    assert {line.split()[0].split("=")[0] for line in said.splitlines() if "hint:" not in line} == {
        "DD_API_KEY",
        "ELASTICSEARCH_URL",
        "OTELIER_COLLECTOR_HTTP_PORT",
    }


@pytest.mark.parametrize(
    "value", ["localhost:9200", "ftp://x:1", "http://", "http://x:port", "9200"]
)
@pytest.mark.parametrize("backend", ["elasticsearch", "otlp"])
def test_an_endpoint_that_is_no_url_is_refused(backend: str, value: str) -> None:
    variable = BACKENDS[backend].endpoint
    assert f"{variable} refused" in refused(**{"OTELIER_BACKEND": backend, variable: value})


def test_the_port_for_grpc_is_refused_and_the_right_one_named() -> None:
    said = refused(OTELIER_BACKEND="otlp", OTELIER_OTLP_ENDPOINT="http://collector:4317")
    assert "4317 is for gRPC" in said
    assert "4318" in said


def test_the_path_of_one_signal_is_refused() -> None:
    endpoint = "http://collector:4318/v1/traces"
    assert "one signal" in refused(OTELIER_BACKEND="otlp", OTELIER_OTLP_ENDPOINT=endpoint)


@pytest.mark.parametrize(
    "site", ["https://datadoghq.eu", "app.datadoghq.com", "eu", "DATADOGHQ.EU"]
)
def test_a_wrong_datadog_site_is_refused(site: str) -> None:
    said = refused(OTELIER_BACKEND="datadog", DD_API_KEY="k", DD_SITE=site)
    assert f"DD_SITE={site!r} refused" in said


@pytest.mark.parametrize("headers", ["a=b", "[]", '{"a": 1}', "{"])
def test_headers_that_are_no_map_of_text_are_refused(headers: str) -> None:
    environ = GOOD | {"OTELIER_BACKEND": "otlp", "OTELIER_OTLP_HEADERS": headers}
    assert "expected a map in JSON" in refused(**environ)


@pytest.mark.parametrize("port", ["0", "65536", "-1", "4317x", "٤٣"])
def test_a_wrong_port_is_refused(port: str) -> None:
    assert "expected a port" in refused(OTELIER_COLLECTOR_GRPC_PORT=port)


def test_one_port_for_two_things_is_refused_and_both_are_named() -> None:
    said = refused(OTELIER_COLLECTOR_HEALTH_PORT="4318")
    assert "OTELIER_COLLECTOR_HEALTH_PORT='4318'" in said
    assert "OTELIER_COLLECTOR_HTTP_PORT has the same port" in said


@pytest.mark.parametrize("memory", ["0", "63", "512MiB", "much"])
def test_a_wrong_memory_limit_is_refused(memory: str) -> None:
    assert "expected MiB" in refused(OTELIER_COLLECTOR_MEMORY_MIB=memory)


def test_fsync_without_queues_on_disk_is_refused() -> None:
    assert "no queue is on disk" in refused(OTELIER_FEATURES="fsync")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "collector.internal"])
def test_a_wider_bind_is_refused_without_tls_and_a_token(host: str) -> None:
    said = refused(OTELIER_COLLECTOR_HOST=host)
    assert all(variable in said for variable in (v.TLS_CERT, v.TLS_KEY, v.TOKEN))


def test_a_wider_bind_with_them_adds_the_feature_by_itself() -> None:
    assert chosen(OTELIER_COLLECTOR_HOST="0.0.0.0", **EXPOSED).features == ("expose",)


def test_a_short_token_is_refused() -> None:
    environ = EXPOSED | {"OTELIER_COLLECTOR_HOST": "0.0.0.0", "OTELIER_COLLECTOR_TOKEN": "short"}
    assert "fewer than 16" in refused(**environ)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_needs_no_guard(host: str) -> None:
    assert is_loopback(host)


def test_no_refusal_shows_a_secret() -> None:
    secrets = {
        "DD_API_KEY": f"{SECRET} x",
        "ELASTICSEARCH_URL": f"elastic:{SECRET}@localhost:9200",
        "ELASTIC_API_KEY": SECRET,
        "OTELIER_OTLP_ENDPOINT": f"http//user:{SECRET}@localhost",
        "OTELIER_OTLP_HEADERS": f"authorization=Bearer {SECRET}",
        "OTELIER_DATADOG_ENDPOINT": f"http://user:{SECRET}@host:4317",
        "OTELIER_COLLECTOR_TOKEN": SECRET[:10],
    }
    environ = {"OTELIER_BACKEND": ",".join(BACKENDS), "OTELIER_COLLECTOR_HOST": "0.0.0.0"}
    choice, problems = choose(environ | EXPOSED | secrets, STORAGE)
    assert len(problems) == len(secrets) - 1  # an Elasticsearch key cannot be wrong by its look
    assert SECRET[:10] not in "\n".join(map(str, problems)) + repr(choice)


# The table and the files say the same


def test_files_and_table_agree_on_every_default() -> None:
    found: dict[str, str] = {}
    for path in CONFIG.rglob("*.yaml"):
        found.update(re.findall(r"\$\{env:(\w+):-([^${}]+)\}", path.read_text()))
    # The launcher's own depends on who runs it.
    assert found.pop(v.STORAGE) == "/var/lib/otelier/collector"
    assert found == {name: value for name, value in v.DEFAULTS.items() if name != v.BACKEND}


def test_files_read_no_variable_that_the_table_does_not_name() -> None:
    read = set()
    for path in CONFIG.rglob("*.yaml"):
        read |= set(re.findall(r"\$\{env:(\w+)", path.read_text()))
    named = {value for value in vars(v).values() if isinstance(value, str)}
    assert read <= named


def test_extensions_of_a_feature_are_those_its_file_defines() -> None:
    for name in ("persistence", *FEATURES):
        file = yaml.safe_load((CONFIG / "feature" / f"{name}.yaml").read_text())
        assert set(file.get("extensions", {})) <= {EXTENSIONS.get(name), "file_storage"}
        assert "service" not in file, "the launcher writes the one list that grows"


# What this machine is asked


def test_an_occupied_port_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        problems = list(machine.occupied_ports(chosen(OTELIER_COLLECTOR_HTTP_PORT=port)))
    assert [str(problem) for problem in problems] == [
        f"127.0.0.1:{port} is occupied (OTELIER_COLLECTOR_HTTP_PORT)\n"
        "hint: end what listens there, or set OTELIER_COLLECTOR_HTTP_PORT"
    ]


def test_an_address_of_another_machine_cannot_be_bound() -> None:
    choice = chosen(OTELIER_COLLECTOR_HOST="192.0.2.1", **EXPOSED)
    assert "cannot be bound" in "\n".join(map(str, machine.occupied_ports(choice)))


def test_storage_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    choice = chosen(OTELIER_BACKEND="otlp", OTELIER_COLLECTOR_STORAGE=str(folder))
    assert (list(machine.unusable_storage(choice)), folder.is_dir()) == ([], True)


def test_storage_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "queues")
    choice = chosen(OTELIER_BACKEND="otlp", OTELIER_COLLECTOR_STORAGE=folder)
    (problem,) = machine.unusable_storage(choice)
    assert str(problem) == (
        f"OTELIER_COLLECTOR_STORAGE={folder!r} refused: queues cannot be kept there: "
        "not a directory\n"
        "hint: set OTELIER_COLLECTOR_STORAGE to a folder that can be written, or to off"
    )


def test_storage_of_a_running_collector_is_refused(tmp_path: Path) -> None:
    choice = chosen(OTELIER_BACKEND="otlp", OTELIER_COLLECTOR_STORAGE=str(tmp_path))
    with (tmp_path / "exporter_otlp_http_otlp_traces").open("wb") as queue:
        assert list(machine.unusable_storage(choice)) == []
        fcntl.flock(queue, fcntl.LOCK_EX)
        (problem,) = machine.unusable_storage(choice)
    assert "another collector keeps its queues there" in problem.said


def test_a_key_of_another_certificate_is_refused(
    expose: dict[str, str], certificate: tuple[Path, Path]
) -> None:
    assert list(machine.unusable_certificate(chosen(**expose))) == []
    swapped = expose | {"OTELIER_COLLECTOR_TLS_KEY": str(certificate[0])}
    (problem,) = machine.unusable_certificate(chosen(**swapped))
    assert "OTELIER_COLLECTOR_TLS_KEY" in problem.said


def test_a_backend_that_takes_no_connection_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        url = f"http://user:{SECRET}@127.0.0.1:{port}"
        choice = chosen(OTELIER_BACKEND="elasticsearch", ELASTICSEARCH_URL=url)
        assert list(machine.unreachable(choice)) == []
    (problem,) = machine.unreachable(choice)
    assert (
        problem.said == f"elasticsearch cannot be reached at 127.0.0.1:{port}: connection refused"
    )
    assert "ELASTICSEARCH_URL" in problem.hint


def test_behind_a_proxy_nothing_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    choice = chosen(OTELIER_BACKEND="otlp", OTELIER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert list(machine.unreachable(choice)) == []


# The command

COMMAND = """
import argparse, sys
from otelier.cli import collector
parser = argparse.ArgumentParser()
collector.register(parser.add_subparsers(required=True))
arguments = parser.parse_args()
sys.exit(arguments.run(arguments))
"""


def otelier(
    *arguments: str, environ: dict[str, str], path: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "collector", *arguments],
        env={"PATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def fake(tmp_path: Path) -> dict[str, str]:
    """A program in place of the collector that tells what it was given; and free ports."""
    program = tmp_path / "fake collector"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "print(json.dumps([sys.argv[1:], dict(os.environ)]), flush=True)\n"
        "if '--wait' in sys.argv:\n"
        "    import time\n"
        "    time.sleep(60)\n"
        "sys.exit(7)\n"
    )
    program.chmod(0o755)
    from parts import free_ports

    ports = dict(zip(v.PORTS, map(str, free_ports(4)), strict=True))
    return {"OTELIER_COLLECTOR_BIN": str(program), **ports}


def test_args_prints_one_argument_on_each_line() -> None:
    done = otelier("args", "--", "--config=my.yaml", environ={"OTELIER_BACKEND": "debug"})
    assert done.returncode == 0
    assert shlex.split(done.stdout.replace('"', '\\"')) == done.stdout.split()
    assert [line.rpartition("/")[2] for line in done.stdout.splitlines()] == [
        "base.yaml",
        "debug.yaml",
        '--config=yaml:{"service":{"extensions":["health_check"]}}',
        "--config=my.yaml",
    ]


@pytest.mark.parametrize("action", ["args", "run", "validate"])
def test_a_refusal_is_an_exit_code_and_nothing_on_standard_output(action: str) -> None:
    done = otelier(action, environ={"OTELIER_BACKEND": "datadog"})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: DD_API_KEY is not set")


def test_run_becomes_the_collector_with_its_exit_code(fake: dict[str, str]) -> None:
    done = otelier("run", "--", "--more", environ=fake)
    arguments, environ = json.loads(done.stdout)
    assert done.returncode == 7
    assert arguments[0] == f"--config={CONFIG / 'base.yaml'}"
    assert arguments[-1] == "--more"
    assert environ["GOMEMLIMIT"] == "409MiB"


def test_signals_reach_the_collector_itself(fake: dict[str, str]) -> None:
    command = [sys.executable, "-c", COMMAND, "collector", "run", "--", "--wait"]
    with subprocess.Popen(
        command, env=fake, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout
        child.stdout.readline()
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == -signal.SIGTERM


def test_run_says_which_backend_is_away_and_starts_all_the_same(fake: dict[str, str]) -> None:
    away = {"OTELIER_BACKEND": "elasticsearch", "ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    done = otelier("run", environ=fake | away | {"OTELIER_COLLECTOR_STORAGE": "off"})
    assert done.stderr.startswith("warning: elasticsearch cannot be reached at 127.0.0.1:9")
    assert done.returncode == 7


def test_validate_fails_on_a_backend_that_is_away(fake: dict[str, str]) -> None:
    away = {"OTELIER_BACKEND": "elasticsearch", "ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    done = otelier("validate", environ=fake | away)
    assert (done.returncode, done.stdout) == (1, "")


def test_run_refuses_an_occupied_port(fake: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(fake[v.GRPC_PORT]))):
        done = otelier("run", environ=fake)
    assert done.returncode == 1
    assert "is occupied (OTELIER_COLLECTOR_GRPC_PORT)" in done.stderr


def test_without_a_program_it_says_how_to_get_one(tmp_path: Path) -> None:
    done = otelier("run", environ={"XDG_CACHE_HOME": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("no collector found")
    assert "make collector" in done.stderr


def test_a_named_program_that_is_none_is_refused(tmp_path: Path) -> None:
    done = otelier("run", environ={"OTELIER_COLLECTOR_BIN": str(tmp_path)})
    assert done.returncode == 1
    assert f"OTELIER_COLLECTOR_BIN={str(tmp_path)!r} refused" in done.stderr


def test_a_program_that_cannot_be_run_is_a_line_and_no_traceback(fake: dict[str, str]) -> None:
    Path(fake["OTELIER_COLLECTOR_BIN"]).write_bytes(b"\x7fELF nonsense")
    done = otelier("run", environ=fake)
    assert done.returncode == 1
    assert "cannot be run" in done.stderr
    assert "Traceback" not in done.stderr


def test_programs_are_taken_by_variable_then_build_then_path(tmp_path: Path) -> None:
    places = {}
    for name in ("named", "otelcol", "otelcol-contrib"):
        places[name] = tmp_path / name
        places[name].touch(mode=0o755)
    environ = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path)}
    assert binary.find(environ) == places["otelcol-contrib"]
    key = binary.sources_key(binary.CHECKOUT / "builder")
    built = tmp_path / "cache" / "otelier" / "collector" / f"{key}-go1.26.8" / binary.PROGRAM
    built.parent.mkdir(parents=True)
    built.touch(mode=0o755)
    assert binary.find(environ) == built
    assert binary.find(environ | {"OTELIER_COLLECTOR_BIN": str(places["named"])}) == places["named"]


def test_a_build_of_other_sources_is_not_taken(tmp_path: Path) -> None:
    old = tmp_path / "otelier" / "collector" / "0123-go1.26.8" / binary.PROGRAM
    old.parent.mkdir(parents=True)
    old.touch(mode=0o755)
    with pytest.raises(binary.NotFound):
        binary.find({"XDG_CACHE_HOME": str(tmp_path), "PATH": ""})


def test_the_real_collector_finds_every_choice_sound(program: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        environ = {
            "OTELIER_COLLECTOR_BIN": program,
            "OTELIER_BACKEND": "datadog,elasticsearch,otlp,debug",
            "OTELIER_COLLECTOR_STORAGE": str(tmp_path),
            "DD_API_KEY": SECRET,
            "OTELIER_DATADOG_ENDPOINT": url,
            "ELASTICSEARCH_URL": url,
            "OTELIER_OTLP_ENDPOINT": url,
        }
        done = otelier("validate", environ=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("sound: backends datadog, elasticsearch, otlp, debug")
    assert SECRET not in done.stdout


def test_run_starts_the_real_collector_and_refuses_a_second_one(
    program: str, tmp_path: Path
) -> None:
    from parts import free_ports

    environ = {
        **os.environ,
        **dict(zip(v.PORTS, map(str, free_ports(4)), strict=True)),
        "OTELIER_COLLECTOR_BIN": program,
        "OTELIER_BACKEND": "otlp",
        "OTELIER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTELIER_COLLECTOR_STORAGE": str(tmp_path / "queues"),
    }
    command = [sys.executable, "-c", COMMAND, "collector", "run"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as first:
        assert first.stderr
        try:
            deadline = time.monotonic() + 20
            while "Everything is ready" not in first.stderr.readline():
                assert time.monotonic() < deadline
            second = otelier("run", environ=environ)
        finally:
            first.terminate()
        assert first.wait(20) == 0
    assert second.returncode == 1
    assert "another collector keeps its queues there" in second.stderr
    assert second.stderr.count("is occupied") == 4
