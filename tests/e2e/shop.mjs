// A browser buys something in the eshop system, and finds the order again later.
//
//   node shop.mjs <base URL> buy|again <output folder>
//
// `buy` walks list, product, cart, register, checkout, order, history, and writes what it did to
// <output folder>/state.json. `again` logs in as the same person and looks for the same order.
// Both save screenshots. Exit status 0: everything was found; 1: one line says what was not;
// 2: wrong usage.
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { chromium } from 'playwright-core';

const BROWSER = process.env.CHROMIUM || '/usr/bin/chromium';
const STEP_TIMEOUT_MS = 15_000;
const WALK_TIMEOUT_MS = 120_000;
// The one with thousands in stock, so that the walk can be repeated on the same data.
const PRODUCT = 'Ruled notebook';
const QUANTITY = 2;
const ORDER_NUMBER = /^[0-9A-Z]{4}-[0-9A-Z]{4}$/;

const BROWSER_FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Names under .localhost are this machine, whatever its resolver says.
  '--host-resolver-rules=MAP *.localhost 127.0.0.1',
];

function check(condition, text) {
  if (!condition) {
    throw new Error(text);
  }
}

function makeWalk(page, base, folder) {
  const find = (id) => page.getByTestId(id);
  return {
    page,
    find,
    open: async (where) => {
      const response = await page.goto(new URL(where, base).href);
      check(response?.ok(), `GET ${where} answered ${response?.status()}`);
      return response;
    },
    // By the path alone: the query of a login page ends like the page it leads to.
    arrive: (pattern) =>
      page.waitForURL((url) => pattern.test(url.pathname), { waitUntil: 'load' }),
    picture: (name) => page.screenshot({ path: path.join(folder, `${name}.png`) }),
  };
}

// Opens <where> and looks at the HTML as sent, before any script ran: the server drew the page.
async function openServerRendered(walk, where, text) {
  const html = await (await walk.open(where)).text();
  check(html.includes(text), `the HTML of ${where} does not contain "${text}"`);
}

async function chooseProduct(walk) {
  const { page, find } = walk;
  await openServerRendered(walk, '/', PRODUCT);
  const count = await find('product-card').count();
  check(count >= 12, `the list shows ${count} products, expected 12 or more`);
  await walk.picture('list');
  await find('product-card').filter({ hasText: PRODUCT }).click();
  await walk.arrive(/^\/products\//);
  await page.getByRole('heading', { name: PRODUCT }).waitFor();
  await openServerRendered(walk, page.url(), PRODUCT);
  await page.getByLabel('Quantity').selectOption(String(QUANTITY));
  await find('add-to-cart').click();
  await page.getByText('In your cart.').waitFor();
  await walk.picture('product');
}

async function register(walk, person) {
  const { page, find } = walk;
  await find('cart-link').click();
  await find('to-checkout').click();
  await walk.arrive(/^\/login$/);
  await page.getByRole('link', { name: 'Make an account' }).click();
  await walk.arrive(/^\/register$/);
  await page.getByLabel('Name').fill(person.name);
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel(/^Password/).fill(person.password);
  await find('account-submit').click();
  await walk.arrive(/^\/checkout$/);
}

async function logOutAndIn(walk, person, next) {
  const { page, find } = walk;
  const button = page.getByRole('button', { name: 'Log out' });
  if (await button.isVisible()) {
    await button.click();
    await page.getByRole('link', { name: 'Log in' }).waitFor();
  }
  await walk.open(`/login?next=${next}`);
  await page.getByLabel('E-mail').fill(person.email);
  await page.getByLabel('Password').fill(person.password);
  await find('account-submit').click();
  await walk.arrive(new RegExp(`^${next}$`));
}

async function placeOrder(walk, person) {
  const { page, find } = walk;
  check(
    (await page.getByLabel('Recipient').inputValue()) === person.name,
    'checkout does not know the name',
  );
  await page.getByLabel('Address').fill('1-2-3 Kuramae, Taito\nTokyo 111-0051');
  await walk.picture('checkout');
  await find('place-order').click();
  await walk.arrive(/^\/orders\/./);
  const number = await find('order-number').innerText();
  check(ORDER_NUMBER.test(number), `"${number}" is not an order number`);
  await page.getByText(PRODUCT).first().waitFor();
  await walk.picture('order');
  return number;
}

async function findInHistory(walk, number, picture) {
  const { page, find } = walk;
  await walk.open('/orders');
  const row = find('order-row').filter({ hasText: number });
  check(
    (await row.count()) === 1,
    `order ${number} is in the history ${await row.count()} times, expected once`,
  );
  await walk.picture(picture);
  await row.click();
  await walk.arrive(new RegExp(`^/orders/${number}$`));
  await page.getByText(`× ${QUANTITY}`).waitFor();
}

async function buy(walk, stateFile) {
  const id = randomBytes(6).toString('hex');
  const person = {
    name: 'Aoi Tanaka',
    email: `aoi-${id}@example.com`,
    password: `kura-${id}-kura`,
  };
  await chooseProduct(walk);
  await register(walk, person);
  await logOutAndIn(walk, person, '/checkout');
  const number = await placeOrder(walk, person);
  await findInHistory(walk, number, 'history');
  await writeFile(stateFile, JSON.stringify({ person, number }, null, 2), { mode: 0o600 });
  return number;
}

async function again(walk, stateFile) {
  const { person, number } = JSON.parse(await readFile(stateFile, 'utf8'));
  await logOutAndIn(walk, person, '/orders');
  await findInHistory(walk, number, 'history-again');
  return number;
}

// Errors a person would not see but that are errors all the same.
function watch(page) {
  const seen = [];
  page.on('pageerror', (error) => seen.push(`script error at ${page.url()}: ${error.message}`));
  page.on('response', (response) => {
    if (response.status() >= 500) {
      seen.push(`${response.url()} answered ${response.status()}`);
    }
  });
  return seen;
}

// What the shop itself says is wrong.
async function readAlerts(page) {
  const texts = await page
    .locator('form [role=alert]')
    .allInnerTexts()
    .catch(() => []);
  return texts.filter(Boolean).map((text) => `the page says "${text}"`);
}

async function walkWith(browser, phase, base, folder) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    ignoreHTTPSErrors: true,
  });
  context.setDefaultTimeout(STEP_TIMEOUT_MS);
  const page = await context.newPage();
  const errors = watch(page);
  const walk = makeWalk(page, base, folder);
  const number = await phase(walk, path.join(folder, 'state.json')).catch(async (error) => {
    await walk.picture('failure').catch(() => {});
    const [reason] = error.message.split('\n');
    throw new Error(
      [`${page.url()}: ${reason}`, ...(await readAlerts(page)), ...errors].join('; '),
    );
  });
  check(errors.length === 0, errors.join('; '));
  return number;
}

function startClock() {
  const clock = setTimeout(() => {
    console.error(`FAIL: not finished after ${WALK_TIMEOUT_MS / 1000} s`);
    process.exit(1);
  }, WALK_TIMEOUT_MS);
  clock.unref();
}

async function main([base, name, folder]) {
  const phase = { buy, again }[name];
  if (!phase || !folder || !URL.canParse(base)) {
    console.error('usage: node shop.mjs <base URL> buy|again <output folder>');
    return 2;
  }
  startClock();
  await access(BROWSER);
  await mkdir(folder, { recursive: true });
  const browser = await chromium.launch({ executablePath: BROWSER, args: BROWSER_FLAGS });
  try {
    console.log(`${name}: order ${await walkWith(browser, phase, base, folder)} found at ${base}`);
    return 0;
  } finally {
    await browser.close();
  }
}

process.exitCode = await main(process.argv.slice(2)).catch((error) => {
  console.error(`FAIL: ${error.message.split('\n')[0]}`);
  return 1;
});
