"""The orders service in Python: reserves, ships, and undoes what it began when a step fails."""

import json
import os
import sqlite3
import sys
import urllib.error
import urllib.request
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INVENTORY = os.environ["INVENTORY_URL"]
TRACKER = os.environ["TRACKER_URL"]
DATABASE = os.environ["DATABASE_PATH"]
CALL_TIMEOUT_S = 5
MAX_BODY = 64 * 1024
TRAIL = ("traceparent", "tracestate", "x-request-id")

# The calls go to loopback addresses, whatever proxy the environment names.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Problem(Exception):
    def __init__(self, status, detail):
        super().__init__(detail)
        self.status = status


def database():
    return sqlite3.connect(DATABASE, timeout=5, isolation_level=None)


def call(method, url, trail, body=None):
    """Sends one request; a refusal is passed on, anything else that is no success is a 503."""
    request = urllib.request.Request(url, method=method, headers=dict(trail))
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    try:
        with opener.open(request, timeout=CALL_TIMEOUT_S) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        if error.code in (409, 422):
            raise Problem(error.code, json.load(error)["detail"]) from error
        raise Problem(503, f"{method} {url} answered {error.code}, try again") from error
    except OSError as error:
        raise Problem(503, f"{method} {url} failed ({error}), try again") from error


def place(wish, trail):
    item, quantity = (wish.get("item"), wish.get("quantity")) if isinstance(wish, dict) else (None, None)
    if not isinstance(item, str) or type(quantity) is not int or quantity < 1:
        raise Problem(400, 'expected {"item": "a name", "quantity": a whole number above 0}')
    order = {"id": uuid.uuid4().hex, "item": item, "quantity": quantity}
    reservation = f"{INVENTORY}/reservations/{order['id']}"
    shipment = f"{TRACKER}/shipments/{order['id']}"
    try:
        call("PUT", reservation, trail, {"item": item, "quantity": quantity})
        call("PUT", shipment, trail, {"item": item, "quantity": quantity})
        database().execute("INSERT INTO orders VALUES (:id, :item, :quantity)", order)
    except Exception:
        # A call that timed out may have arrived, so both are undone whatever is known of them.
        for url in (reservation, shipment):
            try:
                call("DELETE", url, trail)
            except Problem as later:
                print(f"not undone: {later}", file=sys.stderr)
        raise
    return order


def orders(order_id=None):
    found = database().execute(
        "SELECT id, item, quantity FROM orders WHERE ?1 IS NULL OR id = ?1 ORDER BY rowid DESC LIMIT 100",
        (order_id,),
    )
    return [dict(zip(("id", "item", "quantity"), row)) for row in found]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        if self.path == "/health":
            return self.answer(200, "ok")
        if self.path == "/orders":
            return self.answer(200, orders())
        found = orders(self.path.removeprefix("/orders/"))
        if not found:
            return self.refuse(Problem(404, f"nothing at {self.path}"))
        return self.answer(200, found[0])

    def do_POST(self):
        try:
            length = int(self.headers.get("content-length", -1))
            if not 0 <= length <= MAX_BODY:
                self.close_connection = True
                raise Problem(400, f"expected a content-length of at most {MAX_BODY}")
            body = self.rfile.read(length)
            if self.path != "/orders":
                raise Problem(404, f"nothing at {self.path}")
            trail = [(name, self.headers[name]) for name in TRAIL if name in self.headers]
            self.answer(201, place(json.loads(body), trail))
        except Problem as problem:
            self.refuse(problem)
        except ValueError as error:
            self.refuse(Problem(400, f"not JSON: {error}"))

    def refuse(self, problem):
        body = {"type": "about:blank", "status": problem.status, "detail": str(problem)}
        self.answer(problem.status, body, "application/problem+json")

    def answer(self, status, body, kind="application/json"):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


database().execute(
    "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, item TEXT NOT NULL, quantity INTEGER NOT NULL)"
)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
