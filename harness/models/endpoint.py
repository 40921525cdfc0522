"""A service over HTTP or gRPC, as a candidate: what it is asked and answers, over one open connection.

No torch here: the process that loads a service imports as little as its client needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from harness.kinds.classification import SMALLEST
from harness.models import endpoint_grpc
from harness.models.endpoint_headers import check_headers, read_headers
from harness.models.endpoint_service import Service
from harness.models.endpoint_v2 import as_sent, check_type, the_output
from harness.protocols import Inputs, Predict, Task
from harness.record import TrialError

INPUTS = "{inputs}"
"""What stands in a request for the examples, as nested lists."""

ANSWERS = ("outputs", "predictions", "probabilities", "answers")
"""Where an answer is looked for that is no list itself, unless `answer` says it."""


def build(
    task: Task | None,
    *,
    protocol: str = "auto",
    request: dict[str, Any] | None = None,
    answer: str = "",
    input: str = "input",
    datatype: str = "auto",
    output: str = "auto",
    headers: dict[str, str] | None = None,
    timeout_s: float = 10.0,
    version: str = "",
) -> Service:
    """The arguments of an `endpoint:` candidate.

    Args:
        protocol: `json`: a request of one's own; `v2`: KServe's (Triton, MLServer, OpenVINO Model Server);
            `auto`: json over HTTP, v2 over gRPC.
        request: of `json`, any document; the text `{inputs}` in it becomes the examples, as nested lists.
        answer: of `json`, the keys that lead to the answers, with dots between: `result.scores`; of `v2`, the
            name of the output, the first where it is empty.
        input: of `v2`, the name of the model's input.
        datatype: of `v2`, the type that examples are sent as: `FP32`; `auto`: as they are, pixels as UINT8.
        output: `probabilities`, `logits`, `auto`: by whether rows sum to 1.
        headers: what is sent beside, for instance credentials: `{Authorization: "Bearer $TOKEN"}`, where
            `$TOKEN` is an environment variable, read when a request is made and kept nowhere.
        timeout_s: of a request, seconds.
        version: of what stands behind the address, which nothing here can see: another is another candidate.
    Raises:
        ValueError: the arguments do not fit each other; the message has the cure.
    """
    if protocol not in ("auto", "json", "v2"):
        raise ValueError(f"protocol {protocol!r}: write json, or v2 for KServe's")
    if protocol == "v2" and request is not None:
        raise ValueError("request belongs to protocol json: leave it out, v2 has its own")
    if output not in ("auto", "probabilities", "logits"):
        raise ValueError(f"output {output!r}: write auto, probabilities or logits")
    asked = {"inputs": INPUTS} if request is None else request
    if protocol != "v2" and INPUTS not in _texts(asked):
        raise ValueError(f'request has no place for the examples: write the text "{INPUTS}" where they go')
    if timeout_s <= 0:
        raise ValueError("timeout_s is the most seconds that a request may take: write a positive number")
    check_type(datatype)
    check_headers(headers or {})
    return Service(protocol, asked, answer, input, output, float(timeout_s), datatype, headers or {})


def check(url: str, args: Mapping[str, Any]) -> None:
    """Refuse arguments that do not fit each other or the address; nobody is asked.

    Raises:
        ValueError: the message has the cure.
    """
    service = build(None, **args)
    if not url.startswith(endpoint_grpc.SCHEMES):
        return
    endpoint_grpc.parse_address(url)
    if service.protocol == "json" or args.get("request") is not None:
        raise ValueError("over gRPC there is protocol v2 alone: leave protocol and request out")


def _texts(document: Any) -> list[Any]:
    inner = (
        document.values() if isinstance(document, Mapping) else document if isinstance(document, list) else ()
    )
    return [document, *(text for value in inner for text in _texts(value))] if inner else [document]


def connect(url: str, service: Service) -> Predict:
    """Raw examples → what the service answers, over one connection that is kept open.

    Raises:
        ValueError: the address is none of HTTP or gRPC.
        TrialError: a variable that `headers` name is not set.
    """
    if url.startswith(endpoint_grpc.SCHEMES):
        return endpoint_grpc.connect(url, service)
    import urllib3

    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no address of a service: write endpoint:http://host:port/path")
    pool = urllib3.connection_from_url(url, maxsize=1, timeout=service.timeout_s, retries=False)
    path = urllib3.util.parse_url(url).request_uri
    asked, read = _v2(service) if service.protocol == "v2" else _json(service)
    own = read_headers(service.headers)
    headers = {"Content-Type": "application/json", "Accept": "application/json", **own.sent}

    def predict(inputs: Inputs) -> np.ndarray:
        try:
            answer = pool.urlopen("POST", path, body=json.dumps(asked(inputs)).encode(), headers=headers)
        except urllib3.exceptions.ReadTimeoutError:
            raise TrialError(
                f"{url} did not answer within {service.timeout_s:g} s: raise args.timeout_s"
            ) from None
        except urllib3.exceptions.HTTPError as error:
            raise TrialError(f"nobody answers at {url}: start the service first ({error})") from error
        said = own.hide(" ".join(answer.data.decode(errors="replace").split()))
        if answer.status != 200:
            cure = " (its credentials go into args.headers)" if answer.status in (401, 403) else ""
            raise TrialError(
                f"{url} answered {answer.status} {answer.reason}: {said[:160] or 'nothing more'}{cure}"
            )
        try:
            return np.asarray(read(json.loads(answer.data)), dtype=np.float32)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise TrialError(
                f"{url} answered what holds no numbers for the examples ({type(error).__name__}: "
                f"{own.hide(error)}): name where they are in args.answer; it said {said[:120]}"
            ) from None

    return predict


Asked = Callable[[Inputs], Any]
Read = Callable[[Any], Any]


def _json(service: Service) -> tuple[Asked, Read]:
    """A request by its template, and where the answer is in what comes back."""

    def asked(inputs: Inputs) -> Any:
        examples = np.asarray(inputs).tolist()

        def filled(document: Any) -> Any:
            if document == INPUTS:
                return examples
            if isinstance(document, Mapping):
                return {key: filled(value) for key, value in document.items()}
            return [filled(value) for value in document] if isinstance(document, list) else document

        return filled(service.request)

    def read(document: Any) -> Any:
        for key in service.answer.split(".") if service.answer else ():
            document = document[int(key)] if isinstance(document, list) else document[key]
        if isinstance(document, Mapping):
            document = document[next((key for key in ANSWERS if key in document), ANSWERS[0])]
        return document

    return asked, read


def _v2(service: Service) -> tuple[Asked, Read]:
    """KServe's second protocol: typed tensors, flat, with their shapes."""

    def asked(inputs: Inputs) -> Any:
        kind, array = as_sent(inputs, service.datatype)
        shape, data = list(array.shape), array.ravel().tolist()
        return {"inputs": [{"name": service.input, "shape": shape, "datatype": kind, "data": data}]}

    def read(document: Any) -> Any:
        outputs = document["outputs"]
        tensor = outputs[the_output([o.get("name", "") for o in outputs], service.answer)]
        return np.asarray(tensor["data"], np.float32).reshape(tensor["shape"])

    return asked, read


def as_answers(raw: np.ndarray, kind: str) -> np.ndarray:
    """What a service answers as probabilities (n, k) or values (n,).

    Args:
        kind: as `harness.tasks.finished.what_answers` names it; `label_logits` of labels that are no classes.
    """
    if kind == "logits":
        exact = np.exp(raw - raw.max(axis=1, keepdims=True))
        return np.asarray(exact / exact.sum(axis=1, keepdims=True), np.float32)
    if kind == "label_logits":
        return np.asarray(1 / (1 + np.exp(-raw)), np.float32)
    if kind == "shares":
        shares = np.maximum(raw, SMALLEST)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)
    if kind == "values":
        return raw.reshape(-1)
    if kind.startswith("positive"):
        positive = (
            raw.reshape(-1, 1) if kind == "positive_probability" else 1 / (1 + np.exp(-raw.reshape(-1, 1)))
        )
        return np.concatenate([1 - positive, positive], axis=1).astype(np.float32)
    return raw
