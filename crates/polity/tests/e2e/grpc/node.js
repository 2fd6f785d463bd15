// Calls of every kind by Node's client.
const assert = require('assert');
const grpc = require('@grpc/grpc-js');

const client = new grpc.Client(process.argv[2], grpc.credentials.createInsecure());
const asIs = (bytes) => bytes;
const deadline = () => ({ deadline: Date.now() + 10000 });
const path = (method) => '/shop.Echo/' + method;
const all = async (stream) => {
  const messages = [];
  for await (const message of stream) messages.push(message.toString());
  return messages;
};
const unary = (method, request) =>
  new Promise((resolve, reject) => {
    const call = client.makeUnaryRequest(
      path(method), asIs, asIs, Buffer.from(request), new grpc.Metadata(), deadline(),
      (error, answer) => (error ? reject(error) : resolve({ answer: answer.toString(), trailers })));
    let trailers;
    call.on('status', (status) => { trailers = status.metadata; });
  });

(async () => {
  const { answer } = await unary('Unary', 'hi');
  assert.match(answer, /^echo-\S+ hi$/);
  const numbers = client.makeServerStreamRequest(
    path('ServerStream'), asIs, asIs, Buffer.from('20'), new grpc.Metadata(), deadline());
  assert.deepStrictEqual(await all(numbers), [...Array(20).keys()].map(String));
  const joined = await new Promise((resolve, reject) => {
    const call = client.makeClientStreamRequest(
      path('ClientStream'), asIs, asIs, new grpc.Metadata(), deadline(),
      (error, answer) => (error ? reject(error) : resolve(answer.toString())));
    ['a', 'b'].forEach((part) => call.write(Buffer.from(part)));
    call.end();
  });
  assert.strictEqual(joined, 'a,b');
  const both = client.makeBidiStreamRequest(
    path('Both'), asIs, asIs, new grpc.Metadata(), deadline());
  both.write(Buffer.from('a'));
  both.end(Buffer.from('b'));
  assert.deepStrictEqual(await all(both), ['re: a', 're: b']);
  await assert.rejects(unary('Fail', '9'), (error) => {
    assert.strictEqual(error.code, grpc.status.FAILED_PRECONDITION);
    assert.strictEqual(error.details, '50% of it \u00e4\n');
    return true;
  });
  client.close();
  console.log('ok');
})().catch((error) => { console.error(error); process.exit(1); });
