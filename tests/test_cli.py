"""The command line and `lambda-otel invoke`, as a user types them."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from runtime.sink import Sink

from lambda_otel import __version__
from lambda_otel.cli import main
from lambda_otel.invoke import load_events, load_handler

APP = """
    import asyncio, decimal, json, sys
    from lambda_otel import span, traced_handler

    @traced_handler
    def handler(event, context):
        with span("work"):
            return {"got": event}

    @traced_handler
    async def asynchronous(event, context):
        await asyncio.sleep(0)
        return "async"

    def plain(event, context):
        return "plain"

    async def plain_async(event, context):
        return "plain async"

    @traced_handler
    def failing(event, context):
        if event.get("fail"):
            raise {"ValueError": ValueError, "SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt,
                   "CancelledError": asyncio.CancelledError}[event["fail"]]("it broke")
        return "fine"

    @traced_handler
    def looking(event, context):
        return {name: getattr(context, name) for name in dir(context) if not name.startswith(("_", "get_"))}

    @traced_handler
    def waiting(event, context):
        return context.get_remaining_time_in_millis()

    @traced_handler
    def endless(event, context):
        answer = []
        answer.append(answer)
        return answer

    @traced_handler
    def exact(event, context):
        return {"price": decimal.Decimal("1.10")}

    number = 7
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """The current folder is a project with `app.py`; the function writes more files into it."""

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))

    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("NO_COLOR", "1")
    write("app.py", APP)
    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None) or getattr(sys.modules[name], "__path__", "")):
            del sys.modules[name]


Write = Callable[[str, str], None]
Capture = pytest.CaptureFixture[str]


def invoke(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    status = main(["invoke", *arguments])
    return (status, *capsys.readouterr())


def test_the_answer_and_the_trace_are_shown(project: Write, capsys: Capture) -> None:
    project("event.json", '{"id": 7}')
    status, output, errors = invoke(capsys, "app.handler", "event.json")
    assert (status, errors) == (0, "")
    answer, _, trace = output.partition("\n\n")
    assert json.loads(answer) == {"got": {"id": 7}}
    first, second, third, *rest = trace.splitlines()
    assert re.fullmatch("trace [0-9a-f]{32}", first)
    assert second.startswith("app ")
    assert "SERVER" in second
    assert third.startswith("└─ work")
    assert "".join(rest).strip() == ""


@pytest.mark.parametrize(("handler", "answer"), [("asynchronous", "async"), ("plain", "plain"), ("plain_async", "plain async")])
def test_every_kind_of_handler_is_run(handler: str, answer: str, project: Write, capsys: Capture) -> None:
    status, output, errors = invoke(capsys, f"app.{handler}")
    assert (status, errors) == (0, "")
    assert output.startswith(f'"{answer}"\n')
    assert ("no spans" in output) is handler.startswith("plain")


@pytest.mark.parametrize("kind", ["ValueError", "SystemExit", "KeyboardInterrupt", "CancelledError"])
def test_an_exception_is_shown_with_its_trace_and_the_next_event_is_run(kind: str, project: Write, capsys: Capture) -> None:
    project("events.json", json.dumps({"fail": kind}) + "{}")
    status, output, errors = invoke(capsys, "app.failing", "events.json")
    assert status == 1
    assert errors.startswith("Traceback")
    assert errors.rstrip().endswith(f"{kind}: it broke")
    assert output.count("trace ") == 2
    assert '"fine"' in output
    assert output.count("ERROR") == 1


def test_only_the_first_of_several_events_is_cold(project: Write, capsys: Capture) -> None:
    project("events.json", '{"n": 1}\n\n  {"n": 2}[3]\n"four" 5 null\n')
    status, output, _ = invoke(capsys, "app.handler", "events.json")
    assert status == 0
    assert output.count("trace ") == 6
    assert output.count("faas.coldstart=True") == 1
    assert output.index("faas.coldstart=True") < output.index('"n": 2')


def test_an_event_comes_from_standard_input(project: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"from": "stdin"}'))
    status, output, _ = invoke(capsys, "app.handler", "-")
    assert status == 0
    assert '"from": "stdin"' in output


def test_without_an_event_it_is_empty(project: Write, capsys: Capture) -> None:
    assert json.loads(invoke(capsys, "app.handler")[1].partition("\n\n")[0]) == {"got": {}}


@pytest.mark.parametrize(
    ("text", "events"),
    [("", [{}]), (" \n", [{}]), ("\ufeff{}", [{}]), ("[1, 2]", [[1, 2]]), ('{"a": "ü"}\r\n{"b": 2}\t', [{"a": "ü"}, {"b": 2}])],
)
def test_a_file_holds_events_one_after_the_other(text: str, events: list[Any], tmp_path: Path) -> None:
    (tmp_path / "events.json").write_bytes(text.encode())
    assert load_events(str(tmp_path / "events.json")) == events


def test_many_large_events_are_read_in_bounded_time(tmp_path: Path) -> None:
    line = json.dumps({"body": "x" * 10_000}) + "\n"
    (tmp_path / "events.json").write_text(line * 3_000)
    assert len(load_events(str(tmp_path / "events.json"))) == 3_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["handler"], "'handler' is not of the form MODULE.HANDLER"),
        (["absent.handler"], "cannot import 'absent': ModuleNotFoundError: No module named 'absent'"),
        (["./app.handler"], "cannot import"),
        (["app.missing"], "module 'app' has no function 'missing'"),
        (["app.number"], "module 'app' has no function 'number'"),
        (["broken.handler"], "cannot import 'broken': RuntimeError: a long story"),
        (["leaving.handler"], "cannot import 'leaving': SystemExit: 3"),
        (["misspelt.handler"], "cannot import 'misspelt': SyntaxError"),
        (["app.handler", "bad.json"], "bad.json is not JSON: Expecting value: line 1 column 4 (char 3)"),
        (["app.handler", "missing.json"], "cannot read missing.json: No such file or directory"),
        (["app.handler", "."], "cannot read .: Is a directory"),
        (["app.handler", "latin.json"], "cannot read latin.json: 'utf-8' codec can't decode"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_one_line(arguments: list[str], message: str, project: Write, capsys: Capture) -> None:
    project("broken.py", "raise RuntimeError('a long story\\nwith a second line')")
    project("leaving.py", "import sys; sys.exit(3)")
    project("misspelt.py", "def handler(:")
    project("bad.json", "{} nonsense")
    Path("latin.json").write_bytes(b'"\xe9"')
    status, output, errors = invoke(capsys, *arguments)
    assert (status, output) == (2, "")
    assert errors.startswith(f"lambda-otel: {message}")
    assert len(errors.splitlines()) == 1


def test_a_handler_path_may_have_slashes_or_dots(project: Write, capsys: Capture) -> None:
    project("src/shop/orders.py", APP)
    for path in ("src/shop/orders.handler", "src.shop.orders.handler"):
        assert load_handler(path).__name__ == "handler"
    status, output, _ = invoke(capsys, "src/shop/orders.handler")
    assert status == 0
    assert "orders " in output


def test_the_context_is_like_that_of_lambda(project: Write, capsys: Capture) -> None:
    status, output, _ = invoke(capsys, "app.looking")
    assert status == 0
    found = json.loads(output.partition("\n\n")[0])
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found.pop("aws_request_id"))
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", found.pop("log_stream_name"))
    assert found == {
        "function_name": "app",
        "function_version": "$LATEST",
        "invoked_function_arn": "arn:aws:lambda:us-east-1:123456789012:function:app",
        "memory_limit_in_mb": "128",
        "log_group_name": "/aws/lambda/app",
        "identity": None,
        "client_context": None,
        "tenant_id": None,
    }
    assert "SERVER" in output


def test_the_function_name_of_the_environment_is_used(project: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "orders")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert json.loads(invoke(capsys, "app.looking")[1].partition("\n\n")[0])["function_name"] == "orders"


def test_the_time_out_is_what_is_left(project: Write, capsys: Capture) -> None:
    for arguments, most in ([(), 30_000], [("--timeout", "5"), 5_000]):
        left = int(invoke(capsys, "app.waiting", *arguments)[1].split()[0])
        assert most - 4_000 < left <= most


def test_an_answer_that_is_no_json_is_an_error(project: Write, capsys: Capture) -> None:
    status, output, errors = invoke(capsys, "app.endless")
    assert status == 1
    assert "Circular reference" in errors
    assert "trace " in output


def test_an_answer_is_shown_as_text_where_json_has_no_word(project: Write, capsys: Capture) -> None:
    status, output, _ = invoke(capsys, "app.exact")
    assert status == 0
    assert '"price": "1.10"' in output


def test_the_provider_of_the_function_is_used(project: Write, capsys: Capture) -> None:
    project(
        "own.py",
        """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from lambda_otel import traced_handler

        PROVIDER = TracerProvider(shutdown_on_exit=False)
        trace.set_tracer_provider(PROVIDER)

        @traced_handler
        def handler(event, context):
            with trace.get_tracer("own").start_as_current_span("inner"):
                return trace.get_tracer_provider() is PROVIDER
        """,
    )
    status, output, errors = invoke(capsys, "own.handler")
    assert (status, errors) == (0, "")
    assert output.startswith("true\n")
    assert "└─ inner" in output


def test_a_backend_that_is_configured_gets_the_spans_too(project: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sink() as sink:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.endpoint)
        status, output, _ = invoke(capsys, "app.handler")
        assert [span.name for span in sink.spans] == ["work", "app"]
    assert status == 0
    assert "└─ work" in output


def test_tracing_that_is_off_is_said(project: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    status, output, _ = invoke(capsys, "app.handler")
    assert status == 0
    assert "no spans" in output


def test_a_trace_that_is_not_sampled_is_asked_about(project: Write, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    _, output, _ = invoke(capsys, "app.handler")
    assert "is the trace sampled?" in output


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["guess"], ["invoke"], ["invoke", "app.handler", "a", "b"]),
        *(["check-package"], ["check-package", "a", "b"], ["check-package", ".", "--python", "python3.13"]),
    ],
)
def test_wrong_arguments_show_the_usage(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: lambda-otel" in capsys.readouterr().err


def run(*command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(load_events.__code__.co_filename).parents[1])
    environment = {**os.environ, "PYTHONPATH": source, **environ}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, encoding="utf-8", timeout=60, env=environment, check=False
    )


def test_the_module_is_a_command(project: Write) -> None:
    version = run("-m", "lambda_otel", "--version")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"lambda-otel {__version__}\n", "")
    good = run("-m", "lambda_otel", "invoke", "app.handler", PYTHONIOENCODING="utf-8")
    assert (good.returncode, good.stderr) == (0, "")
    assert "└─ work" in good.stdout
    assert run("-m", "lambda_otel", "invoke", "app.failing", "missing.json").returncode == 2


def test_a_terminal_without_the_characters_gets_others(project: Write) -> None:
    found = run("-m", "lambda_otel", "invoke", "app.handler", PYTHONIOENCODING="ascii")
    assert (found.returncode, found.stderr) == (0, "")
    assert "work" in found.stdout
