// Loaded before the server (node --require). Asked to stop, Next.js closes its server and waits for
// the connections. Node 18 leaves idle keep-alive connections open then, so a stop would last as
// long as the proxy keeps one; here they are closed, and busy ones when their answer is sent.
const { Server } = require('node:http');

const CHECK_MS = 100;
const { close } = Server.prototype;

Server.prototype.close = function closeAndDrain(...args) {
  const result = close.apply(this, args);
  this.closeIdleConnections();
  setInterval(() => this.closeIdleConnections(), CHECK_MS).unref();
  return result;
};
