// The tracker service in Node: what is to be shipped, kept in memory. It asks the inventory what
// a shipment weighs.
"use strict";

const http = require("node:http");

const { PORT, INVENTORY_URL } = process.env;
const CALL_TIMEOUT_MS = 4000;
const MAX_BODY = 64 * 1024;
const TRAIL = ["traceparent", "tracestate", "x-request-id"];

const shipments = new Map();
// Orders that were cancelled: a request to ship that arrives late must not succeed.
const cancelled = new Set();

class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function weight({ item, quantity }, headers) {
  const trail = TRAIL.filter((name) => name in headers).map((name) => [name, headers[name]]);
  const url = `${INVENTORY_URL}/stock/${encodeURIComponent(item)}`;
  const signal = AbortSignal.timeout(CALL_TIMEOUT_MS);
  const answer = await fetch(url, { headers: trail, signal }).catch((error) => {
    throw new Problem(503, `inventory is unavailable (${error.message}), try again`);
  });
  const body = await answer.text();
  if (answer.status === 404) throw new Problem(422, `no item \`${item}\``);
  if (!answer.ok) throw new Problem(503, `inventory answered ${answer.status}, try again`);
  return quantity * JSON.parse(body).grams;
}

async function readJson(request) {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) {
    text += chunk;
    if (text.length > MAX_BODY) throw new Problem(413, "the body is too large");
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Problem(400, error.message);
  }
}

/** PUT, because an order ships once however often it is asked for. */
async function ask(order, request) {
  const { item, quantity } = (await readJson(request)) ?? {};
  if (typeof item !== "string" || !Number.isInteger(quantity)) {
    throw new Problem(400, "expected an item and a quantity");
  }
  const grams = await weight({ item, quantity }, request.headers);
  if (cancelled.has(order)) throw new Problem(409, "the shipment was cancelled");
  if (shipments.has(order)) return [200, shipments.get(order)];
  const shipment = { order, item, quantity, grams };
  shipments.set(order, shipment);
  return [201, shipment];
}

async function handle(request) {
  const { pathname, searchParams } = new URL(request.url, "http://tracker");
  const order = pathname.match(/^\/shipments\/([^/]+)$/)?.[1];
  if (request.method === "GET" && pathname === "/health") return [200, "ok"];
  if (request.method === "GET" && pathname === "/shipments") {
    const only = searchParams.get("order");
    return [200, [...shipments.values()].filter((found) => !only || found.order === only)];
  }
  if (request.method === "PUT" && order) return ask(order, request);
  if (request.method === "DELETE" && order) {
    cancelled.add(order);
    return [200, { cancelled: shipments.delete(order) }];
  }
  throw new Problem(404, `nothing at ${request.method} ${pathname}`);
}

const server = http.createServer(async (request, response) => {
  let status, body;
  try {
    [status, body] = await handle(request);
  } catch (error) {
    if (!(error instanceof Problem)) console.error(error);
    status = error.status ?? 500;
    body = { type: "about:blank", status, detail: error.status ? error.message : "internal error" };
  }
  const kind = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": kind }).end(JSON.stringify(body) + "\n");
});

server.listen(Number(PORT), "127.0.0.1");
process.on("SIGTERM", () => server.close());
