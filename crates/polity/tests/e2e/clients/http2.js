// Node's own HTTP/2 client: many streams of one connection, a large answer read slowly, a WebSocket over a stream
// (RFC 8441), and streams that are given up.
const assert = require('node:assert');
const fs = require('node:fs');
const http2 = require('node:http2');

const [url, ca] = process.argv.slice(2);
const session = http2.connect(url, { ca: fs.readFileSync(ca) });
session.on('error', (error) => { throw error; });

function ask(headers, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    const chunks = [];
    let answer;
    stream.on('response', (it) => { answer = it; });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('end', () => resolve({ status: answer[':status'], body: Buffer.concat(chunks) }));
    stream.end(body);
  });
}

async function manyStreams() {
  const body = Buffer.alloc(200_000, 'streams ');
  const asked = Array.from({ length: 50 }, () => ask({ ':path': '/echo', ':method': 'POST' }, body));
  for (const { status, body: echoed } of await Promise.all(asked)) {
    assert.strictEqual(status, 200);
    assert.ok(echoed.equals(body));
  }
}

// One that is not read holds up no other.
async function slowReader() {
  const slow = session.request({ ':path': '/large' });
  slow.pause();
  await new Promise((resolve) => slow.once('response', resolve));
  assert.strictEqual((await ask({ ':path': '/large' })).body.length, 1 << 20);
  let length = 0;
  for await (const chunk of slow) length += chunk.length;
  assert.strictEqual(length, 1 << 20);
}

async function webSocket() {
  if (!session.remoteSettings.enableConnectProtocol) {
    await new Promise((resolve) => session.once('remoteSettings', resolve));
  }
  const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/socket' });
  const headers = await new Promise((resolve) => stream.once('response', resolve));
  assert.strictEqual(headers[':status'], 200);
  stream.write('to and fro');
  const [echoed] = await require('node:events').once(stream, 'data');
  assert.strictEqual(echoed.toString(), 'to and fro');
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.end();
  stream.resume();
  await closed;
}

async function givenUp() {
  const streams = Array.from({ length: 20 }, () => session.request({ ':path': '/endless' }));
  for (const stream of streams) {
    await new Promise((resolve) => stream.once('data', resolve));
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.close(http2.constants.NGHTTP2_CANCEL);
    await closed;
  }
  assert.strictEqual((await ask({ ':path': '/' })).body.toString(), 'hello\n');
}

async function main() {
  await manyStreams();
  await slowReader();
  await webSocket();
  await givenUp();
  await new Promise((resolve) => session.close(resolve));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
