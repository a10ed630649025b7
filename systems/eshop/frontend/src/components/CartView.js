'use client';

import Link from 'next/link';
import Picture from '@/components/Picture';
import { MAX_QUANTITY, setQuantity, sumYen, useCart } from '@/lib/cart';
import { formatYen } from '@/lib/format';

function CartLine({ line }) {
  return (
    <li className="line">
      <Link href={`/products/${line.slug}`}>
        <Picture picture={line.picture} tint={line.tint} name={line.name} />
      </Link>
      <div className="line-text">
        <Link href={`/products/${line.slug}`}>{line.name}</Link>
        <span className="quiet">{formatYen(line.price_yen)} each</span>
      </div>
      <div className="stepper" role="group" aria-label={`Quantity of ${line.name}`}>
        <button
          type="button"
          aria-label="One less"
          onClick={() => setQuantity(line.id, line.quantity - 1)}
        >
          −
        </button>
        <span>{line.quantity}</span>
        <button
          type="button"
          aria-label="One more"
          disabled={line.quantity >= MAX_QUANTITY}
          onClick={() => setQuantity(line.id, line.quantity + 1)}
        >
          +
        </button>
      </div>
      <span className="amount">{formatYen(line.price_yen * line.quantity)}</span>
    </li>
  );
}

export default function CartView() {
  const cart = useCart();
  if (cart.lines.length === 0) {
    return (
      <p className="empty">
        Nothing here yet. <Link href="/">Have a look around</Link>.
      </p>
    );
  }
  return (
    <>
      <ul className="lines">
        {cart.lines.map((line) => (
          <CartLine key={line.id} line={line} />
        ))}
      </ul>
      <div className="total">
        <span>Total, tax and delivery included</span>
        <strong>{formatYen(sumYen(cart))}</strong>
      </div>
      <Link href="/checkout" className="button primary" data-testid="to-checkout">
        Go to checkout
      </Link>
    </>
  );
}
