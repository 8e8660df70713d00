// An echo with permessage-deflate, of ws: node deflate.js FOLDER ALONE server|client VERSION [URL].
// ALONE is true or false: whether each message is compressed by itself.
const [folder, alone, role, , url] = process.argv.slice(2);
const WebSocket = require(folder);
const perMessageDeflate = {
  threshold: 0,
  serverNoContextTakeover: alone === 'true',
  clientNoContextTakeover: alone === 'true',
};
const options = { perMessageDeflate, maxPayload: 1 << 20 };

function echo(ws) {
  // ws 8 gives text as bytes too, and says which it is.
  ws.on('message', (data, isBinary) => ws.send(data, { binary: typeof isBinary === 'boolean' ? isBinary : typeof data !== 'string' }));
  ws.on('error', (err) => console.log(err));
}

if (role === 'client') {
  echo(new WebSocket(url, options));
} else {
  const server = new WebSocket.Server({ port: 0, host: '127.0.0.1', ...options }, () => {
    console.log('LISTEN ' + (server.address ? server.address() : server._server.address()).port);
  });
  server.on('connection', echo);
}
