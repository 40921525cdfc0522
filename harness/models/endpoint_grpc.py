"""A service that speaks KServe's second protocol over gRPC, asked over one channel that stays open.

Tensors travel as raw bytes, as Triton's own client sends them. Messages and calls are the protocol's, from
the package `open-inference-grpc`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from harness.models.endpoint_headers import SentHeaders, read_headers
from harness.models.endpoint_service import Service
from harness.models.endpoint_v2 import as_sent, numbers, the_output
from harness.protocols import Inputs, Predict
from harness.record import TrialError

SCHEMES = ("grpc://", "grpcs://")

OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),  # the clients over HTTP ask no proxy either
)


@dataclass(frozen=True)
class Address:
    """Where a model answers: `grpc://host:port/NAME` or `grpc://host:port/NAME/versions/2`."""

    target: str
    model: str
    version: str
    is_secure: bool


def parse_address(url: str) -> Address:
    """Take an address apart.

    Raises:
        ValueError: no port, or no model; the message has the cure.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    found = re.fullmatch(r"/(?:v2/models/)?([^/]+)(?:/versions/([^/]+))?/?", parts.path)
    if not parts.hostname or not port or found is None or parts.query:
        raise ValueError(
            f"{url!r} is no address of a model over gRPC: write endpoint:grpc://host:port/MODEL, with "
            "/versions/2 behind it where it has versions, and grpcs:// over TLS"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Address(f"{host}:{port}", found[1], found[2] or "", parts.scheme == "grpcs")


def connect(url: str, service: Service) -> Predict:
    """Raw examples → what the model answers.

    Raises:
        ValueError: the address names no model.
        TrialError: a variable of `headers` is not set.
    """
    import grpc
    from open_inference.grpc.service import GRPCInferenceServiceStub

    address, headers = parse_address(url), read_headers(service.headers)
    channel = (
        grpc.secure_channel(address.target, grpc.ssl_channel_credentials(), OPTIONS)
        if address.is_secure
        else grpc.insecure_channel(address.target, OPTIONS)
    )
    infer = GRPCInferenceServiceStub(channel).ModelInfer
    metadata = tuple((name.lower(), value) for name, value in headers.sent.items())

    def predict(inputs: Inputs) -> np.ndarray:
        try:
            answer = infer(_asked(inputs, address, service), timeout=service.timeout_s, metadata=metadata)
        except grpc.RpcError as error:  # its own words may hold what was sent: they are said hidden, or not
            raise TrialError(_why(error, url, address, service, headers)) from None
        try:
            return _read(answer, service.answer)
        except (ValueError, KeyError, IndexError) as error:
            raise TrialError(
                f"{url} answered what holds no numbers for the examples: {headers.hide(error.args[0])}"
            ) from None

    return predict


def _asked(inputs: Inputs, address: Address, service: Service) -> Any:
    from open_inference.grpc.protocol import ModelInferRequest

    kind, array = as_sent(inputs, service.datatype)
    tensor = ModelInferRequest.InferInputTensor(name=service.input, datatype=kind, shape=array.shape)
    return ModelInferRequest(
        model_name=address.model,
        model_version=address.version,
        inputs=[tensor],
        raw_input_contents=[_texts(array) if kind == "BYTES" else array.tobytes()],
    )


def _texts(array: np.ndarray) -> bytes:
    """Each text's length in bytes before it, 32 bits, the least significant first."""
    texts = [str(text).encode() for text in array.ravel()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


CONTENTS = ("fp32", "fp64", "int", "int64", "uint", "uint64", "bool")
"""Where a tensor's numbers are that are no raw bytes: fields of `InferTensorContents`, less `_contents`."""


def _read(answer: Any, name: str) -> np.ndarray:
    """One of a response's tensors, by its name or the first."""
    place = the_output([tensor.name for tensor in answer.outputs], name)
    tensor = answer.outputs[place]
    if answer.raw_output_contents:
        return numbers(answer.raw_output_contents[place], tensor.datatype, tensor.shape)
    found = next((c for k in CONTENTS if (c := getattr(tensor.contents, f"{k}_contents"))), None)
    if found is None:
        raise ValueError(f"its output is of type {tensor.datatype or 'unknown'}")
    return np.asarray(found, np.float32).reshape(tuple(tensor.shape))


def _why(error: Any, url: str, address: Address, service: Service, headers: SentHeaders) -> str:
    """Why a call failed, with the cure, without what is secret."""
    code, said = error.code().name, headers.hide(" ".join((error.details() or "").split()))[:240]
    if code == "DEADLINE_EXCEEDED":
        return f"{url} did not answer within {service.timeout_s:g} s: raise args.timeout_s"
    if code == "UNAVAILABLE" and (not said or "connect" in said.lower()):
        return f"nobody answers at {url}: start the service first ({said})"
    cure = {
        "INVALID_ARGUMENT": f"it was sent `{service.input}`, see args.input and args.datatype",
        "NOT_FOUND": f"the address names the model {address.model}",
        "PERMISSION_DENIED": "its credentials go into args.headers",
        "UNAUTHENTICATED": "its credentials go into args.headers",
        "UNIMPLEMENTED": "it does not speak KServe's second protocol there",
    }.get(code, "")
    return f"{url} answered {code}: {said or 'nothing more'}{f' ({cure})' if cure else ''}"
