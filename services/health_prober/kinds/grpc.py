"""The gRPC health checking protocol, with grpclib."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Final

from grpclib.const import Status
from grpclib.exceptions import GRPCError
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from health_prober.attempt import CheckFailedError, Passed, Steps
from health_prober.causes import quoted
from health_prober.grpc_channel import SteeredChannel
from health_prober.stream import connect
from health_prober.tls import warning_for
from vipbus.contracts import GrpcCheck

_WORDS: Final[Mapping[int, str]] = {
    HealthCheckResponse.NOT_SERVING: "not serving",
    HealthCheckResponse.UNKNOWN: "serving status unknown",
}


async def attempt(check: GrpcCheck, steps: Steps) -> Passed:
    """Ask whether the service is serving."""
    with closing(await connect(check, steps, check.tls, ("h2",))) as stream:
        warning = "" if check.tls is None else warning_for(check.tls, stream.certificate)
        steps.wait("waiting for the response")
        channel = SteeredChannel(stream, _authority(check), secure=check.tls is not None)
        status = await _asked(channel, check)
    if status == HealthCheckResponse.SERVICE_UNKNOWN:
        raise CheckFailedError(_unknown(check))
    if status != HealthCheckResponse.SERVING:
        raise CheckFailedError(_WORDS.get(status, f"serving status {status}"))
    steps.done("serving")
    return Passed(note="serving", warning=warning)


async def _asked(channel: SteeredChannel, check: GrpcCheck) -> int:
    call = HealthStub(channel).Check(HealthCheckRequest(service=check.service))
    try:
        return (await channel.carry(call)).status
    except CheckFailedError:
        raise
    except GRPCError as error:
        if error.status is Status.NOT_FOUND:
            raise CheckFailedError(_unknown(check)) from None
        words = f": {quoted(error.message)}" if error.message else ""
        raise CheckFailedError(f"grpc status {error.status.name}{words}") from None
    except Exception as error:  # grpclib asserts what a server may break
        words = quoted(str(error) or type(error).__name__)
        raise CheckFailedError(channel.cause or f"no gRPC answer ({words})") from None


def _authority(check: GrpcCheck) -> str:
    if check.authority is not None:
        return check.authority
    return f"[{check.address}]:{check.port}" if ":" in check.address else f"{check.address}:{check.port}"


def _unknown(check: GrpcCheck) -> str:
    return (
        f"service {quoted(check.service)} is unknown" if check.service else "the server as a whole is unknown"
    )
