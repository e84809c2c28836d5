"""The standard variables, as targets."""

from __future__ import annotations

import pytest

from otelier.export.target import Target, targets

P = "OTEL_EXPORTER_OTLP_"


def target(values: dict[str, str], signal: str = "traces") -> Target:
    found, problems = targets(values)
    assert problems == []
    return found[signal]


def test_defaults() -> None:
    """The collector on this machine, ten seconds, nothing else."""
    assert {s: t.url for s, t in targets({})[0].items()} == {
        "traces": "http://localhost:4318/v1/traces",
        "metrics": "http://localhost:4318/v1/metrics",
        "logs": "http://localhost:4318/v1/logs",
    }
    assert target({}) == Target("http://localhost:4318/v1/traces")


@pytest.mark.parametrize("base", ["https://c.example/otlp", "https://c.example/otlp/"])
def test_a_path_is_appended_to_the_general_endpoint(base: str) -> None:
    """With one slash between."""
    assert target({f"{P}ENDPOINT": base}).url == "https://c.example/otlp/v1/traces"


def test_an_endpoint_of_its_own_is_taken_as_it_is() -> None:
    """Nothing is appended, and messages name its variable."""
    values = {f"{P}ENDPOINT": "http://a", f"{P}LOGS_ENDPOINT": "http://b:1/in/"}
    assert target(values, "logs").url == "http://b:1/in/"
    assert target(values, "logs").shown == "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT='http://b:1/in/'"
    assert target(values).url == "http://a/v1/traces"


def test_the_signals_own_variables_win() -> None:
    """All of them."""
    values = {f"{P}{name}": "no" for name in ("HEADERS", "CERTIFICATE", "CLIENT_KEY")}
    values |= {f"{P}LOGS_{n}": n.lower() for n in ("CERTIFICATE", "CLIENT_KEY")}
    values |= {f"{P}LOGS_CLIENT_CERTIFICATE": "mine", f"{P}LOGS_HEADERS": "a=b"}
    values |= {f"{P}LOGS_TIMEOUT": "2.5", f"{P}LOGS_COMPRESSION": "GZIP"}
    found = targets(values)[0]["logs"]
    assert (found.certificate, found.client_key) == ("certificate", "client_key")
    assert found.client_certificate == "mine"
    assert (found.headers, found.timeout, found.compression) == ({"a": "b"}, 2.5, "gzip")


def test_headers() -> None:
    """URL-encoded or not, as upstream reads them."""
    text = "Api-Key=s%3Dcr%20t, authorization=Basic dXNlcjpwYXNz==,x=1=2,"
    assert target({f"{P}HEADERS": text}).headers == {
        "api-key": "s=cr t",
        "authorization": "Basic dXNlcjpwYXNz==",
        "x": "1=2",
    }


@pytest.mark.parametrize("text", ["secret", "a b=secret", "x=secret%0d%0ay:z", "=secret"])
def test_headers_that_http_does_not_allow(text: str) -> None:
    """Left out, once, without their value."""
    found, problems = targets({f"{P}HEADERS": f"good=1,{text}"})
    assert found["traces"].headers == {"good": "1"}
    assert problems == [f"{P}HEADERS: a header that HTTP does not allow is left out"]


def test_wrong_values() -> None:
    """Named, and the default is used."""
    found, problems = targets({f"{P}TIMEOUT": "soon", f"{P}COMPRESSION": "zstd"})
    assert (found["logs"].timeout, found["logs"].compression) == (10.0, "auto")
    assert problems == [
        f"{P}TIMEOUT='soon' ignored: expected seconds; using 10",
        f"{P}COMPRESSION='zstd' ignored: expected gzip, deflate or none; "
        "using gzip to another machine",
    ]


def test_a_user_in_the_url() -> None:
    """Becomes a header, unless there is one."""
    values = {f"{P}ENDPOINT": "https://user:p%40ss@c.example"}
    assert target(values).headers == {"authorization": "Basic dXNlcjpwQHNz"}
    assert target(values | {f"{P}HEADERS": "authorization=x"}).headers == {"authorization": "x"}


def test_nothing_secret_is_shown() -> None:
    """Neither user, password, query, header nor proxy."""
    found = target(
        {
            f"{P}TRACES_ENDPOINT": "https://me:hush@c.example/v1?key=hush",
            f"{P}HEADERS": "key=hush",
            "https_proxy": "http://me:hush@proxy",
        }
    )
    assert "hush" not in repr(found) + found.shown
    assert found.proxy == "http://me:hush@proxy"


@pytest.mark.parametrize(
    ("values", "proxy"),
    [
        ({"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "http://lower", "HTTPS_PROXY": "http://upper"}, "http://lower"),
        ({"HTTP_PROXY": "http://proxy"}, None),
        ({"ALL_PROXY": "http://proxy"}, "http://proxy"),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "other,.example.org"}, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "c.example.org:443"}, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "*"}, None),
        ({"HTTPS_PROXY": "http://proxy", "NO_PROXY": "ample.org"}, "http://proxy"),
    ],
)
def test_proxies(values: dict[str, str], proxy: str | None) -> None:
    """By scheme, lower case first, and not for what is listed."""
    assert target({f"{P}ENDPOINT": "https://c.example.org:443"} | values).proxy == proxy


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_is_not_behind_a_proxy(host: str) -> None:
    """A collector beside the app is asked directly."""
    values = {f"{P}ENDPOINT": f"http://{host}:4318", "HTTP_PROXY": "http://proxy"}
    assert target(values).proxy is None
