// gRPC-Web by `fetch`, in both its forms.
const assert = require('assert');

const TRAILERS = 0x80;

const frame = (message) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, Buffer.from(message)]);
};

// Base64 of several pieces, each padded for itself.
const decoded = (text) =>
  Buffer.concat(text.match(/[^=]+=*/g).map((piece) => Buffer.from(piece, 'base64')));

async function call(method, message, kind) {
  const isText = kind.includes('-text');
  const body = isText ? frame(message).toString('base64') : frame(message);
  const answer = await fetch(`http://${process.argv[2]}/shop.Echo/${method}`, {
    method: 'POST',
    headers: { 'content-type': kind, 'x-grpc-web': '1', 'grpc-timeout': '10S' },
    body,
  });
  assert.strictEqual(answer.status, 200);
  assert.ok(answer.headers.get('content-type').startsWith(kind.split('+')[0]), answer.headers);
  const bytes = isText ? decoded(await answer.text() || 'AA==') : Buffer.from(await answer.arrayBuffer());
  const messages = [];
  let status = answer.headers.get('grpc-status');
  for (let at = 0; at + 5 <= bytes.length;) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    const content = bytes.subarray(at + 5, end).toString();
    if (bytes[at] === TRAILERS) status = content.match(/grpc-status: (\d+)\r\n/)[1];
    else messages.push(content);
    at = end;
  }
  return { messages, status };
}

(async () => {
  for (const kind of ['application/grpc-web+proto', 'application/grpc-web-text']) {
    const { messages, status } = await call('Unary', 'hi', kind);
    assert.match(messages.join(), /^echo-\S+ hi$/);
    assert.strictEqual(status, '0');
    const stream = await call('ServerStream', '100', kind);
    assert.deepStrictEqual(stream.messages, [...Array(100).keys()].map(String));
    assert.strictEqual(stream.status, '0');
    const large = await call('Large', '1000000', kind);
    assert.strictEqual(large.messages[0].length, 1000000);
    assert.strictEqual((await call('Fail', '9', kind)).status, '9');
  }
  console.log('ok');
})().catch((error) => { console.error(error); process.exit(1); });
