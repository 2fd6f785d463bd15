// A service for clients to ask: /large is 1 MiB, /headers the request's own, POST is echoed as it comes, and an
// upgraded connection echoes bytes.
const http = require('node:http');

const large = Buffer.alloc(1 << 20, 'polity ');

const server = http.createServer((request, response) => {
  if (request.method === 'POST') {
    response.setHeader('content-type', 'application/octet-stream');
    request.pipe(response);
  } else if (request.url === '/large') {
    response.end(large);
  } else if (request.url === '/headers') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.headers));
  } else if (request.url === '/endless') {
    const timer = setInterval(() => response.write('more\n'), 10);
    response.on('close', () => clearInterval(timer));
  } else {
    response.end('hello\n');
  }
});

server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  socket.on('error', () => {});
  socket.pipe(socket);
});

server.listen(process.env.PORT, process.env.HOST);
