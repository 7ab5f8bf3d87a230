"""The systems that are compared. To update one, change its versions here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

RUNTIME = ("awslambdaric==4.2.2", "boto3==1.44.5")

_SDK = ("opentelemetry-sdk==1.45.2", "opentelemetry-exporter-otlp-proto-http==1.45.2")


@dataclass(frozen=True)
class System:
    """One way to trace a function.

    Attributes:
        name: Label in the tables.
        subject: Module in `subjects` that sets it up.
        requirements: What pip installs.
        environment: Variables that it needs; `{folder}` is where it is installed.
        launcher: Script of its `bin` folder that starts the function's process, as the start script of a layer does.
    """

    name: str
    subject: str
    requirements: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    launcher: str | None = None


BARE = System("no tracing", "bare", ())
BASE = System("SDK by hand", "base", _SDK)
OURS = System("lambda_otel", "ours", (".",))

PEERS: tuple[System, ...] = ()
