"""Every kind of call through the gateway."""

import os
import sys
import tempfile
import time

import grpc

channel = grpc.insecure_channel(sys.argv[1])


def unary(method, request, **options):
    return channel.unary_unary("/shop.Echo/" + method).with_call(request, timeout=10, **options)


def relay(method):
    return channel.unary_unary("/shop.Relay/Relay")(method, timeout=10)


def failure(call):
    try:
        call()
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


answer, call = unary("Unary", b"hi", metadata=(("x-ask", "asked"),))
assert answer.startswith(b"echo-") and answer.endswith(b" hi"), answer
assert dict(call.initial_metadata())["x-initial"] == "asked", call.initial_metadata()
trailing = dict(call.trailing_metadata())
assert trailing["x-trailing"] == "bye" and trailing["x-raw-bin"] == b"\x00\xff", trailing

numbers = list(channel.unary_stream("/shop.Echo/ServerStream")(b"1000", timeout=10))
assert numbers == [b"%d" % number for number in range(1000)], len(numbers)
joined = channel.stream_unary("/shop.Echo/ClientStream")(iter([b"a", b"b", b"c"]), timeout=10)
assert joined == b"a,b,c", joined

# Each in answer to the one before: nothing on the way waits for more.
asked = [b"0"]


def requests():
    sent = 0
    while sent < 50:
        if len(asked) > sent:
            yield asked[sent]
            sent += 1
        else:
            time.sleep(0.001)


answers = []
for answer in channel.stream_stream("/shop.Echo/Both")(requests(), timeout=20):
    answers.append(answer)
    asked.append(b"%d" % len(answers))
assert answers == [b"re: %d" % number for number in range(50)], answers

for code in range(1, 17):
    error = failure(lambda: unary("Fail", b"%d" % code))
    assert error.code().value[0] == code, (code, error)
    assert error.details() == "50% of it \u00e4\n", error.details()
error = failure(lambda: unary("Nothing", b""))
assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error

stream = channel.unary_stream("/shop.Echo/FailLate")(b"", timeout=10)
assert next(stream) == b"first"
error = failure(lambda: next(stream))
assert error.code() == grpc.StatusCode.DATA_LOSS and error.details() == "the rest is lost", error

big, _ = unary("Large", b"3000000")
assert big == b"x" * 3000000

# A deadline goes on as what is left of it; without one there is none. Clients round it up.
left = float(unary("TimeLeft", b"")[0])
assert 5 < left <= 11, left
relayed = float(relay(b"TimeLeft"))
assert 5 < relayed <= left + 1, relayed
without = channel.unary_unary("/shop.Echo/TimeLeft")(b"")
assert without == b"none", without

# A service that calls another.
answer = relay(b"Unary")
assert answer.endswith(b" relayed"), answer

# A client that gives up, and one whose time is over: the service is told.
for end in ("cancel", "timeout"):
    path = os.path.join(tempfile.mkdtemp(), "gone")
    limit = 0.5 if end == "timeout" else 30
    call = channel.unary_unary("/shop.Echo/Wait").future(path.encode(), timeout=limit)
    if end == "cancel":
        time.sleep(0.3)
        call.cancel()
    else:
        error = failure(call.result)
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    until = time.monotonic() + 10
    while not os.path.exists(path):
        assert time.monotonic() < until, end
        time.sleep(0.02)
print("ok")
