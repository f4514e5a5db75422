"""For gRPC servers, of threads (`Interceptor`) and of asyncio (`AsyncInterceptor`).

A servicer's method says what it requires (`requires`), or that it is `public`; one that says neither is
denied.
"""

import contextvars
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, NoReturn

import grpc
from grpc import aio

from poortwachter_client.aio import AsyncClient
from poortwachter_client.client import Client
from poortwachter_client.decision import Decision
from poortwachter_client.errors import InvalidRequest
from poortwachter_client.refusal import LOGIN_CODES
from poortwachter_client.requirement import (
    Public,
    Requirement,
    deciding,
    declared,
    public,
    requires,
    set_current,
    trace_of,
    unknown_route,
)

__all__ = ["AsyncInterceptor", "Interceptor", "public", "requires"]

Subject = Callable[[grpc.ServicerContext], Mapping[str, Any] | None]

_HANDLERS = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}


class _Refusal:
    """A denial as gRPC says it: a status, the codes as text, and they and the decision's id as metadata."""

    def __init__(self, decision: Decision) -> None:
        self.text = ", ".join(decision.codes)
        self.metadata = (
            ("poortwachter-decision-id", decision.decision_id),
            ("poortwachter-reason-codes", ",".join(decision.codes)),
        )
        self.status = grpc.StatusCode.PERMISSION_DENIED
        if decision.unavailable:
            self.status = grpc.StatusCode.UNAVAILABLE
        elif LOGIN_CODES.intersection(decision.codes):
            self.status = grpc.StatusCode.UNAUTHENTICATED


class _Gate:
    """What both interceptors share.

    Args:
        client: who is asked.
        subject: of a call's context, e.g. from its metadata or its client's certificate; None: nobody.
        public_services: full names of services that need no decision, e.g. `grpc.health.v1.Health`.
    """

    def __init__(self, client: Any, *, subject: Subject, public_services: tuple[str, ...] = ()) -> None:
        self._client, self._subject = client, subject
        self._public_services = frozenset(public_services)

    def _guarded(self, details: Any, handler: Any, wrap: Callable[..., Any]) -> Any:
        if handler is None or details.method.strip("/").rpartition("/")[0] in self._public_services:
            return handler
        streams = (bool(handler.request_streaming), bool(handler.response_streaming))
        behaviour = (
            handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        )
        requirement = declared(behaviour)
        if isinstance(requirement, Public):
            return handler
        return _HANDLERS[streams](
            wrap(behaviour, requirement, *streams),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _question(
        self, requirement: Requirement, request: Any, context: Any, *, streams: bool
    ) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
        """The request to the PDP and its metadata. A stream of requests has none that could be looked at."""
        traceparent = dict(context.invocation_metadata() or ()).get("traceparent")
        question = requirement.question(None if streams else request, self._subject(context))
        return question, trace_of(traceparent if isinstance(traceparent, str) else None)


class Interceptor(_Gate, grpc.ServerInterceptor):
    """For `grpc.server(…, interceptors=[Interceptor(client, subject=…)])`. See `_Gate` for the arguments."""

    def __init__(self, client: Client, *, subject: Subject, public_services: tuple[str, ...] = ()) -> None:
        super().__init__(client, subject=subject, public_services=public_services)

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """See grpc.ServerInterceptor."""
        return self._guarded(handler_call_details, continuation(handler_call_details), self._wrap)

    def _wrap(
        self,
        behaviour: Callable[[Any, Any], Any],
        requirement: Requirement | None,
        request_streams: bool,
        response_streams: bool,
    ) -> Callable[[Any, Any], Any]:
        def unary(request: Any, context: grpc.ServicerContext) -> Any:
            with deciding(self._decide(requirement, request, context, streams=request_streams)):
                return behaviour(request, context)

        def streaming(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            # gRPC may ask for each message in another thread; the decision is found in all of them.
            own = contextvars.copy_context()
            decision = self._decide(requirement, request, context, streams=request_streams)
            messages = own.run(_begun, behaviour, request, context, decision)
            ended = object()
            while (message := own.run(next, messages, ended)) is not ended:
                yield message

        return streaming if response_streams else unary

    def _decide(
        self, requirement: Requirement | None, request: Any, context: grpc.ServicerContext, *, streams: bool
    ) -> Decision:
        if requirement is None:
            _abort(context, unknown_route())
        question, metadata = self._question(requirement, request, context, streams=streams)
        try:
            decision: Decision = self._client.check(question, metadata=metadata)
        except InvalidRequest as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        if not decision.allow:
            _abort(context, decision)
        return decision


class AsyncInterceptor(_Gate, aio.ServerInterceptor):
    """For `grpc.aio.server(interceptors=[AsyncInterceptor(client, subject=…)])`; methods are `async def`. See
    `_Gate` for the arguments.
    """

    def __init__(
        self, client: AsyncClient, *, subject: Subject, public_services: tuple[str, ...] = ()
    ) -> None:
        super().__init__(client, subject=subject, public_services=public_services)

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any
    ) -> Any:
        """See grpc.aio.ServerInterceptor."""
        return self._guarded(handler_call_details, await continuation(handler_call_details), self._wrap)

    def _wrap(
        self,
        behaviour: Callable[[Any, Any], Any],
        requirement: Requirement | None,
        request_streams: bool,
        response_streams: bool,
    ) -> Callable[[Any, Any], Any]:
        if not inspect.iscoroutinefunction(behaviour) and not inspect.isasyncgenfunction(behaviour):
            raise TypeError(f"{behaviour} is not async; in a server of threads use Interceptor")

        async def unary(request: Any, context: Any) -> Any:
            with deciding(await self._decide(requirement, request, context, streams=request_streams)):
                return await behaviour(request, context)

        async def streaming(request: Any, context: Any) -> AsyncIterator[Any]:
            with deciding(await self._decide(requirement, request, context, streams=request_streams)):
                if inspect.iscoroutinefunction(behaviour):  # it writes to its context
                    await behaviour(request, context)
                    return
                async for message in behaviour(request, context):
                    yield message

        return streaming if response_streams else unary

    async def _decide(
        self, requirement: Requirement | None, request: Any, context: Any, *, streams: bool
    ) -> Decision:
        if requirement is None:
            await _abort_async(context, unknown_route())
        question, metadata = self._question(requirement, request, context, streams=streams)
        try:
            decision: Decision = await self._client.check(question, metadata=metadata)
        except InvalidRequest as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            raise
        if not decision.allow:
            await _abort_async(context, decision)
        return decision


def _begun(
    behaviour: Callable[[Any, Any], Any], request: Any, context: Any, decision: Decision
) -> Iterator[Any]:
    set_current(decision)
    return iter(behaviour(request, context))


def _abort(context: grpc.ServicerContext, decision: Decision) -> NoReturn:
    refusal = _Refusal(decision)
    context.set_trailing_metadata(refusal.metadata)
    context.abort(refusal.status, refusal.text)


async def _abort_async(context: Any, decision: Decision) -> NoReturn:
    refusal = _Refusal(decision)
    context.set_trailing_metadata(refusal.metadata)
    await context.abort(refusal.status, refusal.text)
    raise AssertionError("abort returned")
