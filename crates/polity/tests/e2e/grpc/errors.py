"""What the gateway itself says to a client of gRPC, where no service answers."""

import sys

import grpc

channel = grpc.insecure_channel(sys.argv[1])


def failure(method, **options):
    try:
        channel.unary_unary(method)(b"", **options)
    except grpc.RpcError as error:
        return error
    raise AssertionError("it did not fail")


error = failure("/shop.Gone/Any", timeout=20)
assert error.code() == grpc.StatusCode.UNAVAILABLE, error
assert "gone" in error.details(), error.details()
reason = dict(error.trailing_metadata())["x-polity-reason"]
assert "reached=no" in reason, reason
error = failure("/shop.Nowhere/Any", timeout=20)
assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
# The plan's own time is over before the client's.
error = channel.unary_unary("/shop.Echo/Wait").future(b"/dev/null", timeout=20).exception()
assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
assert "deadline" in dict(error.trailing_metadata())["x-polity-reason"], error
print("ok")
