// The API as the server sees it: inside the system, without the way through the proxy.
// Only server components import this file.
import { cookies } from 'next/headers';

const API_URL = process.env.API_INTERNAL_URL || 'http://backend:8000/api/v1';
const TIMEOUT_MS = 5000;
const SESSION_COOKIE = 'eshop_session';

async function sessionHeader() {
  const session = (await cookies()).get(SESSION_COOKIE);
  return session ? { cookie: `${SESSION_COOKIE}=${session.value}` } : {};
}

function ask(path, headers) {
  return fetch(`${API_URL}${path}`, {
    headers,
    cache: 'no-store',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

// Connections to the API are kept, and an API server that is replaced may close one in the very
// moment it is used. Nothing but a second try can tell that from an API that is away; what only
// reads may be asked twice.
function askAgain(path, headers, error) {
  if (error.name === 'TimeoutError') {
    throw error;
  }
  return ask(path, headers);
}

// The parsed answer, or null when the API says 401 or 404. Anything else that is not a success
// is thrown and ends on the error page.
async function read(path, headers = {}) {
  const response = await ask(path, headers).catch((error) => askAgain(path, headers, error));
  if (response.ok) {
    return response.json();
  }
  if (response.status === 401 || response.status === 404) {
    return null;
  }
  throw new Error(`GET ${path}: the API answered ${response.status}`);
}

export async function hasSession() {
  return (await cookies()).has(SESSION_COOKIE);
}

export function listProducts() {
  return read('/products');
}

export function findProduct(slug) {
  return read(`/products/${encodeURIComponent(slug)}`);
}

// The header shows who is logged in; that it cannot be found out must not cost the page.
export async function findUser() {
  if (!(await hasSession())) {
    return null;
  }
  return read('/me', await sessionHeader()).catch(() => null);
}

export async function findOrders() {
  return read('/orders', await sessionHeader());
}

export async function findOrder(number) {
  return read(`/orders/${encodeURIComponent(number)}`, await sessionHeader());
}
