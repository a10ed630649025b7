// The list page of the eshop system on a connection that stalls: its HTML comes piece by piece
// while its scripts are in the browser's cache. No load may end with a script error.
//
//   node slow.mjs <base URL>
//
// Exit status 0: no load had an error; 1: one line says what went wrong; 2: wrong usage.
import http from 'node:http';
import https from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const BROWSER = process.env.CHROMIUM || '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'];
const LOADS = 12;
const STALL_MS = 20;
const LOAD_TIMEOUT_MS = 15_000;
const RUN_TIMEOUT_MS = 120_000;
// Where Next.js puts the data that React starts from; a stall before each is the hardest case.
const DATA = '<script>self.__next_f';

function fetchFrom(base, request) {
  return new Promise((resolve, reject) => {
    const url = new URL(request.url, base);
    const headers = { ...request.headers, host: base.host, 'accept-encoding': 'identity' };
    // The edge's certificate is of a local authority. Names under .localhost are this machine.
    const signal = AbortSignal.timeout(LOAD_TIMEOUT_MS);
    const options = { headers, signal, rejectUnauthorized: false };
    if (url.hostname.endsWith('.localhost')) {
      options.lookup = (name, { all }, done) =>
        all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
    }
    const { get } = url.protocol === 'https:' ? https : http;
    get(url, options, resolve).on('error', reject);
  });
}

async function readAll(stream) {
  const pieces = [];
  for await (const piece of stream) {
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function splitHtml(body) {
  const pieces = [];
  let start = 0;
  for (let at = body.indexOf(DATA); at >= 0; at = body.indexOf(DATA, at + 1)) {
    pieces.push(body.subarray(start, at));
    start = at;
  }
  return [...pieces, body.subarray(start)];
}

// Passes the answer on: HTML with stalls, anything else at once. <counts> gets the pieces sent.
async function answer(base, counts, request, response) {
  const upstream = await fetchFrom(base, request);
  const body = await readAll(upstream);
  const headers = { ...upstream.headers };
  for (const name of ['connection', 'content-length', 'keep-alive', 'transfer-encoding']) {
    delete headers[name];
  }
  response.writeHead(upstream.statusCode, headers);
  const isHtml = headers['content-type']?.startsWith('text/html');
  const pieces = isHtml ? splitHtml(body) : [body];
  for (const piece of pieces.slice(0, -1)) {
    response.write(piece);
    await pause(STALL_MS);
  }
  response.end(pieces.at(-1));
  if (isHtml) {
    counts.push(pieces.length);
  }
}

async function startProxy(base, counts) {
  const server = http.createServer((request, response) => {
    answer(base, counts, request, response).catch((error) => {
      console.error(`GET ${request.url}: ${error.message}`);
      response.destroy();
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

async function loadOften(browser, url) {
  const page = await (await browser.newContext()).newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error.message));
  for (let load = 0; load < LOADS; load++) {
    const before = errors.length;
    const response = await page.goto(url, { timeout: LOAD_TIMEOUT_MS });
    if (!response?.ok()) {
      throw new Error(`GET / answered ${response?.status()}`);
    }
    // Links work once React has taken over the page; until then there may still be errors.
    await page.waitForFunction(
      (id) => Object.keys(document.querySelector(id) ?? {}).some((key) => /^__react/.test(key)),
      '[data-testid=product-card]',
      { timeout: LOAD_TIMEOUT_MS },
    );
    errors.splice(before + 1);
  }
  return errors;
}

function startClock() {
  setTimeout(() => {
    console.error(`FAIL: not finished after ${RUN_TIMEOUT_MS / 1000} s`);
    process.exit(1);
  }, RUN_TIMEOUT_MS).unref();
}

async function main([text]) {
  if (!text || !URL.canParse(text)) {
    console.error('usage: node slow.mjs <base URL>');
    return 2;
  }
  startClock();
  const counts = [];
  const proxy = await startProxy(new URL(text), counts);
  const browser = await chromium.launch({ executablePath: BROWSER, args: FLAGS });
  try {
    const errors = await loadOften(browser, `http://127.0.0.1:${proxy.address().port}/`);
    const pieces = Math.min(...counts);
    if (pieces < 3) {
      throw new Error(`the HTML came in ${pieces} pieces, so nothing was tried`);
    }
    if (errors.length > 0) {
      throw new Error(`${errors.length} of ${LOADS} loads had a script error: ${errors[0]}`);
    }
    console.log(`slow: ${LOADS} loads in ${pieces} or more pieces, no script error`);
    return 0;
  } finally {
    await browser.close();
    proxy.closeAllConnections();
    proxy.close();
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  console.error(`FAIL: ${error.message.split('\n')[0]}`);
  return 1;
});
