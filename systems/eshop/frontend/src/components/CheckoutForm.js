'use client';

import Link from 'next/link';
import { useState } from 'react';
import { post } from '@/lib/browser-api';
import { emptyCart, sumYen, useCart } from '@/lib/cart';
import { formatYen } from '@/lib/format';

function makeOrder(cart, form) {
  return {
    request_id: cart.requestId,
    ship_name: form.get('ship_name'),
    // Browsers send line ends as CR LF.
    ship_address: form.get('ship_address').replaceAll('\r', ''),
    items: cart.lines.map((line) => ({ product_id: line.id, quantity: line.quantity })),
  };
}

function Summary({ cart }) {
  return (
    <aside className="summary">
      <h2>Your order</h2>
      <ul>
        {cart.lines.map((line) => (
          <li key={line.id}>
            <span>
              {line.name} × {line.quantity}
            </span>
            <span>{formatYen(line.price_yen * line.quantity)}</span>
          </li>
        ))}
      </ul>
      <p className="total">
        <span>Total</span>
        <strong>{formatYen(sumYen(cart))}</strong>
      </p>
    </aside>
  );
}

export default function CheckoutForm({ name }) {
  const cart = useCart();
  const [error, setError] = useState(null);
  const [sending, setSending] = useState(false);

  async function submit(event) {
    event.preventDefault();
    setSending(true);
    setError(null);
    try {
      const order = await post('/orders', makeOrder(cart, new FormData(event.currentTarget)));
      emptyCart();
      window.location.assign(`/orders/${order.number}`);
    } catch (failure) {
      if (failure.status === 401) {
        window.location.assign('/login?next=/checkout');
        return;
      }
      setError(failure.message);
      setSending(false);
    }
  }

  if (cart.lines.length === 0 && !sending) {
    return (
      <p className="empty">
        The cart is empty. <Link href="/">Back to the shop</Link>.
      </p>
    );
  }
  return (
    <div className="checkout">
      <form onSubmit={submit} className="form">
        <label>
          Recipient
          <input name="ship_name" required maxLength={80} defaultValue={name} autoComplete="name" />
        </label>
        <label>
          Address
          <textarea
            name="ship_address"
            required
            maxLength={300}
            rows={4}
            autoComplete="street-address"
          />
        </label>
        <p className="quiet">
          Payment on delivery. This is a demonstration: nothing is sent, nothing is charged.
        </p>
        <p role="alert" className="error">
          {error}
        </p>
        <button type="submit" className="primary" disabled={sending} data-testid="place-order">
          {sending ? 'Placing the order…' : 'Place the order'}
        </button>
      </form>
      <Summary cart={cart} />
    </div>
  );
}
