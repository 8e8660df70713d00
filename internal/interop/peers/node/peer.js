// Server and client for the interop tests, written with the implementations of
// package.json.
//   peer.js LIBRARY server VERSION        prints "LISTEN PORT"
//   peer.js LIBRARY client VERSION URL
'use strict';
const crypto = require('crypto');
const http = require('http');
const net = require('net');

const [library, role, version, url] = process.argv.slice(2);
const number = {'hixie-75': 75, 'hybi-00': 76, 'hybi-07': 7, 'hybi-10': 8, rfc6455: 13}[version];
const origin = 'http://interop.example';
const cookie = 'interop=theirs';
const limit = 16 << 20;

// answer echoes a message or obeys it. link is the connection: what it lacks,
// the library cannot do.
function answer(link, data, binary) {
  if (binary) return link.binary(data);
  const text = data.toString();
  if (text[0] !== '!') return link.text(text);
  const [command, first, ...rest] = text.split(' ');
  switch (command) {
    case '!subprotocol': return link.text('subprotocol ' + link.protocol);
    case '!cookie': return link.text('cookie ' + link.cookie);
    case '!burst': return [1, 2, 3].forEach((n) => link.text('burst ' + n));
    case '!fragments': return link.fragments(['one, ', 'two, ', 'three ✓']);
    case '!ping': return link.ping(first);
    case '!close': return link.close(Number(first), rest.join(' '));
  }
}

function closed(code, reason) {
  console.log(`CLOSED ${code} ${reason}`);
}

function fail(err) {
  console.error('error: ' + (err && err.stack || err));
}

function serveHTTP(use) {
  const server = http.createServer((req, res) => { res.writeHead(404); res.end(); });
  use(server);
  server.listen(0, '127.0.0.1', () => console.log('LISTEN ' + server.address().port));
}

// ws, three generations of it.
function ws(name) {
  const WebSocket = require(name);
  const modern = name === 'ws-8';
  if (!modern) {
    // In the Node of its time hashes took strings for bytes, not for UTF-8.
    const update = crypto.Hash.prototype.update;
    crypto.Hash.prototype.update = function (data, encoding) {
      return update.call(this, data, encoding || 'binary');
    };
  }
  const connect = (socket, request) => {
    const link = {
      get protocol() { return socket.protocol || socket._protocol; },
      cookie: request && request.headers.cookie,
      text: (s) => socket.send(s),
      binary: (b) => socket.send(b, {binary: true}),
      ping: (s) => socket.ping(s),
      close: (code, reason) => socket.close(code, reason),
      fragments: (list) => {
        if (modern) return list.forEach((s, i) => socket.send(s, {fin: i === list.length - 1}));
        socket.stream({}, (err, send) => list.length && send(list.shift(), list.length === 0));
      },
    };
    socket.on('message', (data, flags) => answer(link, data, modern ? flags : flags && flags.binary));
    socket.on('pong', (data) => data.length && link.text('pong ' + data));
    socket.on('close', closed);
    socket.on('error', fail);
  };
  const protocols = modern ? () => 'chat' : (list, done) => done(true, 'chat');
  if (role === 'server') {
    return serveHTTP((server) => {
      const wss = new (WebSocket.WebSocketServer || WebSocket.Server)({server, handleProtocols: protocols, maxPayload: limit});
      wss.on('connection', (socket, request) => connect(socket, request || socket.upgradeReq));
    });
  }
  const options = {protocolVersion: number, origin, headers: {Cookie: cookie}};
  if (name === 'ws-04') options.protocol = 'chat';
  connect(name === 'ws-04' ? new WebSocket(url, options) : new WebSocket(url, 'chat', options));
}

// websocket-driver, which is fed bytes.
function driver(name) {
  const websocket = require(name);
  const connect = (socket, d, cookie) => {
    socket.setNoDelay(true);
    const link = {
      cookie,
      get protocol() { return d.protocol; },
      text: (s) => d.text(s),
      binary: (b) => d.binary(b),
      ping: (s) => d.ping(s, () => d.text('pong ' + s)),
      close: (code, reason) => d.close(reason, code),
    };
    let over = false;
    const end = (code, reason) => {
      if (!over) closed(code, reason);
      over = true;
      socket.end();
    };
    d.on('message', (event) => answer(link, event.data, typeof event.data !== 'string'));
    d.on('close', (event) => end(event.code, event.reason));
    d.on('error', fail);
    socket.on('end', () => end('', ''));
    socket.on('error', fail);
    socket.pipe(d.io).pipe(socket);
  };
  const options = {protocols: ['chat'], maxLength: limit};
  if (name === 'websocket-driver-08') options.allowDrafts = true;
  if (role === 'server') {
    return serveHTTP((server) => server.on('upgrade', (request, socket, head) => {
      const d = websocket.http(request, options);
      d.io.write(head);
      connect(socket, d, request.headers.cookie);
      d.start();
    }));
  }
  const d = websocket.client(url, options);
  d.setHeader('Origin', origin);
  d.setHeader('Cookie', cookie);
  const at = new URL(url);
  const socket = net.connect(at.port, at.hostname, () => d.start());
  connect(socket, d, '');
}

function webSocketNode() {
  const library = require('websocket');
  const config = {
    maxReceivedFrameSize: limit, maxReceivedMessageSize: limit, fragmentOutgoingMessages: true,
    fragmentationThreshold: limit, webSocketVersion: number,
  };
  const connect = (connection, request) => {
    const link = {
      protocol: connection.protocol,
      cookie: request && request.headers.cookie,
      text: (s) => connection.sendUTF(s),
      binary: (b) => connection.sendBytes(b),
      ping: (s) => connection.ping(s),
      close: (code, reason) => connection.close(code, reason),
      fragments: (list) => {
        connection.config.fragmentationThreshold = 6;
        connection.sendUTF(list.join(''));
        connection.config.fragmentationThreshold = limit;
      },
    };
    connection.on('message', (m) => answer(link, m.type === 'utf8' ? m.utf8Data : m.binaryData, m.type !== 'utf8'));
    connection.on('pong', (data) => data.length && link.text('pong ' + data));
    connection.on('close', closed);
    connection.on('error', fail);
  };
  if (role === 'server') {
    return serveHTTP((httpServer) => {
      const server = new library.server({httpServer, ...config});
      server.on('request', (request) => connect(request.accept('chat', request.origin), request.httpRequest));
    });
  }
  const client = new library.client(config);
  client.on('connectFailed', fail);
  client.on('connect', (connection) => connect(connection));
  client.connect(url, ['chat'], origin, {Cookie: cookie});
}

if (library.startsWith('ws-')) ws(library);
else if (library.startsWith('websocket-driver')) driver(library);
else webSocketNode();
