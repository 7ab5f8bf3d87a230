"""An internal extension that works for a while after each answer, to test the harness itself."""

import http.client
import json
import os
import signal
import threading
import time

_EXTENSIONS = "/2020-01-01/extension"


def _call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, _EXTENSIONS + path, body, named)
    response = connection.getresponse()
    answer = response.status, dict(response.getheaders()), response.read().decode()
    connection.close()
    return answer


def _register(name, *events):
    return _call("POST", "/register", json.dumps({"events": events}), Lambda_Extension_Name=name)


def _work(identifier):
    while True:
        _, _, event = _call("GET", "/event/next", Lambda_Extension_Identifier=identifier)
        time.sleep(float(os.environ.get("EXTENSION_SECONDS", "0.6")))
        print(f"extension saw {event}")


signal.signal(signal.SIGTERM, lambda *_: print("terminated"))
refusals = {"shutdown": _register("greedy", "SHUTDOWN")[0]}
status, headers, _ = _register("plain", "INVOKE")
if status == 200:
    identifier = {name.lower(): value for name, value in headers.items()}["lambda-extension-identifier"]
    threading.Thread(target=_work, args=(identifier,), daemon=True).start()


def handler(event, context):
    late, _, answer = _register("late", "INVOKE")
    return {"registered": status, "late": late, "late_answer": answer, **refusals}
