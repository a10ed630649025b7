const YEN = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'JPY' });
const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'Asia/Tokyo' });

export function formatYen(amount) {
  return YEN.format(amount);
}

export function formatDay(text) {
  return DAY.format(new Date(text));
}

// Where to go after logging in: a path of this shop, never another site.
export function safePath(path) {
  return typeof path === 'string' && /^\/(?![/\\])[\w\-/]*$/.test(path) ? path : '/';
}
