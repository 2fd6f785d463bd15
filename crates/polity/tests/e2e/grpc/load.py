"""Calls without end, unary and streams, until the input ends: not one may fail."""

import sys
import threading

import grpc

THREADS = 4
ended = threading.Event()
failures = []
counts = [0] * THREADS


def work(number):
    channel = grpc.insecure_channel(sys.argv[1], options=(("grpc.use_local_subchannel_pool", 1),))
    unary = channel.unary_unary("/shop.Echo/Unary")
    both = channel.stream_stream("/shop.Echo/Both")
    streams = "streams" in sys.argv[2:]
    while not ended.is_set():
        try:
            answer = unary(b"hi", timeout=20)
            assert answer.endswith(b" hi"), answer
            if streams:
                answers = list(both(iter([b"a", b"b"]), timeout=20))
                assert answers == [b"re: a", b"re: b"], answers
            counts[number] += 1
            if counts[number] % 50 == 0:
                print(sum(counts), flush=True)
        except Exception as error:
            failures.append(repr(error))
            ended.set()
            # Whoever waits for the next number waits no more.
            print(-1, flush=True)


threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
for thread in threads:
    thread.start()
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
if failures:
    sys.exit(failures[0])
print("ok")
