'use client';

// The cart lives in the browser until it becomes an order. It is one JSON document in
// localStorage; every open tab of the shop sees the same one.
import { useSyncExternalStore } from 'react';

const KEY = 'eshop-cart-v1';
const CHANGED = 'eshop-cart-changed';
export const MAX_QUANTITY = 20;

const EMPTY = Object.freeze({ requestId: null, lines: [] });
let seenText = null;
let seenCart = EMPTY;

function isLine(line) {
  return Number.isInteger(line?.id) && Number.isInteger(line?.quantity) && line.quantity > 0;
}

function parse(text) {
  try {
    const cart = JSON.parse(text);
    return Array.isArray(cart?.lines) ? { ...cart, lines: cart.lines.filter(isLine) } : EMPTY;
  } catch {
    return EMPTY;
  }
}

// Gives the same object until the text changes, as useSyncExternalStore asks.
function read() {
  const text = window.localStorage.getItem(KEY);
  if (text !== seenText) {
    seenText = text;
    seenCart = text ? parse(text) : EMPTY;
  }
  return seenCart;
}

function write(cart) {
  window.localStorage.setItem(KEY, JSON.stringify(cart));
  window.dispatchEvent(new Event(CHANGED));
}

function subscribe(onChange) {
  window.addEventListener('storage', onChange);
  window.addEventListener(CHANGED, onChange);
  return () => {
    window.removeEventListener('storage', onChange);
    window.removeEventListener(CHANGED, onChange);
  };
}

// crypto.randomUUID exists only on https and localhost; this works on plain http as well.
function makeRequestId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function useCart() {
  return useSyncExternalStore(subscribe, read, () => EMPTY);
}

export function countPieces(cart) {
  return cart.lines.reduce((sum, line) => sum + line.quantity, 0);
}

export function sumYen(cart) {
  return cart.lines.reduce((sum, line) => sum + line.price_yen * line.quantity, 0);
}

// A changed cart is a new purchase, so it gets a new request id: the API takes a repeated
// request for the same order.
function change(lines) {
  write({ requestId: makeRequestId(), lines });
}

export function setQuantity(id, quantity) {
  const wanted = Math.min(quantity, MAX_QUANTITY);
  const lines = read().lines.map((line) => (line.id === id ? { ...line, quantity: wanted } : line));
  change(lines.filter((line) => line.quantity > 0));
}

export function addProduct(product, quantity) {
  const { id, slug, name, price_yen, picture, tint } = product;
  const lines = read().lines;
  const held = lines.find((line) => line.id === id)?.quantity ?? 0;
  const line = { id, slug, name, price_yen, picture, tint };
  line.quantity = Math.min(held + quantity, MAX_QUANTITY);
  change(held ? lines.map((old) => (old.id === id ? line : old)) : [...lines, line]);
}

export function emptyCart() {
  window.localStorage.removeItem(KEY);
  window.dispatchEvent(new Event(CHANGED));
}
