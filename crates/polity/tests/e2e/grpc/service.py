"""A service of every kind of call, and its health check. Messages are bytes as they are."""

import os
import signal
import threading
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

INSTANCE = os.environ["POLITY_INSTANCE"].encode()


def unary(request, context):
    sent = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-initial", sent.get("x-ask", "none")),))
    context.set_trailing_metadata((("x-trailing", "bye"), ("x-raw-bin", b"\x00\xff")))
    return INSTANCE + b" " + request


def server_stream(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def client_stream(requests, context):
    return b",".join(requests)


def both(requests, context):
    for request in requests:
        yield b"re: " + request


def fail(request, context):
    code = {code.value[0]: code for code in grpc.StatusCode}[int(request)]
    context.abort(code, "50% of it \u00e4\n")


def fail_late(request, context):
    yield b"first"
    context.abort(grpc.StatusCode.DATA_LOSS, "the rest is lost")


def time_left(request, context):
    left = context.time_remaining()
    return b"none" if left is None or left > 1e6 else b"%f" % left


def wait(request, context):
    """Until its client has gone; which ends up in a file."""
    gone = threading.Event()
    context.add_callback(gone.set)
    gone.wait(30)
    with open(request.decode(), "w") as file:
        file.write("gone")
    return b""


def relay(request, context):
    """The same of whoever this one calls."""
    address = os.environ["ECHO_URL"].removeprefix("http://")
    with grpc.insecure_channel(address) as channel:
        left = context.time_remaining()
        return channel.unary_unary("/shop.Echo/" + request.decode())(b"relayed", timeout=left)


def large(request, context):
    return b"x" * int(request)


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
    "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
    "Both": grpc.stream_stream_rpc_method_handler(both),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "FailLate": grpc.unary_stream_rpc_method_handler(fail_late),
    "TimeLeft": grpc.unary_unary_rpc_method_handler(time_left),
    "Wait": grpc.unary_unary_rpc_method_handler(wait),
    "Relay": grpc.unary_unary_rpc_method_handler(relay),
    "Large": grpc.unary_unary_rpc_method_handler(large),
}

server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
for name in ("shop.Echo", "shop.Relay"):
    handler = grpc.method_handlers_generic_handler(name, METHODS)
    server.add_generic_rpc_handlers((handler,))
checks = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(checks, server)
checks.set("shop.Echo", health_pb2.HealthCheckResponse.NOT_SERVING)
server.add_insecure_port("127.0.0.1:" + os.environ["PORT"])
server.start()
# Not ready before it says so, although it listens.
time.sleep(float(os.environ.get("READY_AFTER", "0.2")))
checks.set("shop.Echo", health_pb2.HealthCheckResponse.SERVING)
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
ended.wait()
server.stop(5).wait()
