"""Lambda as far as a function can tell: it initialises, invokes, freezes, thaws, kills and starts again."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from runtime.environment import ACCOUNT, REGION, function_environment
from runtime.execution import ExecutionEnvironment, InitFailed, Kind
from runtime.process import Log
from runtime.runtime_api import Invocation

Initialization = Literal["on-demand", "provisioned-concurrency", "snap-start", "lambda-managed-instances"]


@dataclass(frozen=True)
class Result:
    """How an invocation ended.

    Attributes:
        kind: ``response`` · ``error`` (an exception of the handler, or of INIT) · ``timeout`` (killed at the
            deadline) · ``exit`` (the process ended). The last two also after the caller had its answer, when what
            comes after it (an extension) ran too long or ended the process.
        body: What the function posted for its caller, if it came to that.
        error: The error object of everything but a response.
        answered_after: Seconds from the event until the caller had its answer.
        settled_after: Seconds from the event until the environment was frozen, killed or, where nothing freezes,
            answered: what is billed.
        init_duration: Seconds of the INIT before this invocation, None if it was warm.
        request_id: The invocation's id.
    """

    kind: Kind
    body: bytes | None
    error: dict[str, Any] | None
    answered_after: float | None
    settled_after: float
    init_duration: float | None
    request_id: str

    def json(self) -> Any:
        """The body as JSON."""
        assert self.body is not None, self
        return json.loads(self.body)


class Lambda:
    """Runs ``module.function`` of a folder as Lambda does; a context manager.

    Between invocations the process group is frozen (SIGSTOP), from when the runtime and every extension ask for what
    comes next until the next event (SIGCONT). At the deadline it is killed (SIGKILL); the next invocation starts a
    new process.

    Args:
        handler: ``module.function``.
        folder: Where the module is.
        environment: Further variables for the function.
        timeout: The function's timeout in seconds.
        name: The function's name.
        memory: Its size in MB.
        arn: The ARN it is invoked by, with a version or alias if need be.
        initialization: ``snap-start`` takes a snapshot after INIT (see ``restore``); ``lambda-managed-instances``
            runs ``concurrency`` workers, refuses extensions, and neither freezes nor kills; ``invoke`` may then be
            called by several threads at a time.
        concurrency: Workers of a managed instance.
        refuse_extensions: Answer every registration of an extension with 403.
        init_timeout: Seconds that INIT may take.
    """

    def __init__(
        self,
        handler: str,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        timeout: float = 3.0,
        name: str = "test-function",
        memory: int = 128,
        arn: str | None = None,
        initialization: Initialization = "on-demand",
        concurrency: int = 2,
        refuse_extensions: bool = False,
        init_timeout: float = 10.0,
    ) -> None:
        self._is_managed = initialization == "lambda-managed-instances"
        self._handler = handler
        self._folder = folder
        self._timeout = timeout
        self._init_timeout = init_timeout
        self._arn = arn or f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        self._function = {"functionName": name, "functionVersion": "$LATEST", "handler": handler}
        self._workers = concurrency if self._is_managed else 1
        self._refuse_extensions = refuse_extensions or self._is_managed
        self._variables = function_environment(
            handler,
            folder,
            name=name,
            memory=memory,
            extra={**_variables_of(initialization, name, concurrency), **(environment or {})},
        )
        self._log = Log()
        self._preparing = threading.Lock()
        self._environment: ExecutionEnvironment | None = None
        self.environments = 0
        """How many times the function's process was started."""

    def __enter__(self) -> Lambda:
        return self

    def __exit__(self, *_: object) -> None:
        if self._environment:
            self._environment.kill()
        self._log.close()

    @property
    def log(self) -> str:
        """What the function printed so far, in all its processes."""
        return self._log.text

    @property
    def pid(self) -> int | None:
        """The process that runs or is frozen now, None if there is none."""
        return self._environment.pid if self._is_warm() and self._environment else None

    @property
    def extensions(self) -> list[str]:
        """Names of the extensions that registered in the environment of now."""
        return self._environment.extensions if self._environment else []

    def init(self) -> float:
        """Starts the process, lets it initialise and freezes it, as for provisioned concurrency or a snapshot.

        ``invoke`` does it by itself where there is no environment.

        Returns:
            The seconds that it took.

        Raises:
            InitFailed: The function's module failed, ended the process, or took too long.
        """
        self.shutdown()
        self.environments += 1
        self._environment = ExecutionEnvironment(
            self._handler,
            self._folder,
            self._variables,
            self._log,
            function=self._function,
            workers=self._workers,
            refuse_extensions=self._refuse_extensions,
            is_managed=self._is_managed,
        )
        return self._ready(self._environment.initialise)

    def restore(self) -> float:
        """Thaws a snapshot, lets the after-restore hooks run and freezes it again.

        ``invoke`` does it by itself where it was not done.

        Returns:
            The seconds that the hooks took.

        Raises:
            InitFailed: A hook failed, ended the process, or took too long.
        """
        if self._environment is None or not self._environment.is_snapshot:
            raise RuntimeError("there is no snapshot to restore")
        return self._ready(self._environment.restore)

    def _ready(self, phase: Callable[[float], float]) -> float:
        try:
            return phase(self._init_timeout)
        except InitFailed:
            self.shutdown()
            raise

    def invoke(
        self,
        event: Any = None,
        *,
        trace_id: str | None = None,
        client_context: Any = None,
        cognito_identity: Any = None,
        timeout: float | None = None,
    ) -> Result:
        """Invokes the function; returns when the environment is frozen again or gone.

        Args:
            event: Bytes as they are, or anything else as JSON.
            trace_id: The X-Ray header as Lambda hands it on; none by default.
            client_context: Anything that has a JSON form.
            cognito_identity: Likewise.
            timeout: In place of the function's timeout, in seconds.
        """
        request_id = str(uuid.uuid4())
        limit = self._timeout if timeout is None else timeout
        try:
            environment, init_duration = self._prepared()
        except InitFailed as failure:
            return Result(failure.kind, None, failure.error, None, 0.0, None, request_id)
        outcome = environment.run(
            Invocation(
                request_id,
                event if isinstance(event, bytes) else json.dumps(event).encode(),
                self._arn,
                int((time.time() + limit) * 1000),
                trace_id,
                None if client_context is None else json.dumps(client_context),
                None if cognito_identity is None else json.dumps(cognito_identity),
            ),
            limit,
        )
        return Result(**vars(outcome), init_duration=init_duration, request_id=request_id)

    def _prepared(self) -> tuple[ExecutionEnvironment, float | None]:
        """An environment that waits for an event, and the seconds of its INIT if it was started for this one."""
        with self._preparing:
            init_duration = None if self._is_warm() else self.init()
            assert self._environment is not None
            if self._environment.is_snapshot:
                self.restore()
            return self._environment, init_duration

    def _is_warm(self) -> bool:
        return self._environment is not None and self._environment.is_alive

    def shutdown(self) -> None:
        """Ends the environment as Lambda does with one that it no longer needs; the next one starts cold."""
        if self._environment:
            self._environment.shut_down()
            self._environment = None


def _variables_of(initialization: Initialization, name: str, concurrency: int) -> dict[str, str]:
    variables: dict[str, str] = {"AWS_LAMBDA_INITIALIZATION_TYPE": initialization}
    if initialization == "lambda-managed-instances":
        variables["AWS_LAMBDA_MAX_CONCURRENCY"] = str(concurrency)
    if initialization != "snap-start":  # a snapshot is shared by environments, each with a log stream of its own
        variables["AWS_LAMBDA_LOG_GROUP_NAME"] = f"/aws/lambda/{name}"
        variables["AWS_LAMBDA_LOG_STREAM_NAME"] = "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef"
    return variables
