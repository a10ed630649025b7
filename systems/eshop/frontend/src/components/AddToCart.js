'use client';

import Link from 'next/link';
import { useState } from 'react';
import { addProduct, MAX_QUANTITY } from '@/lib/cart';

export default function AddToCart({ product }) {
  const [quantity, setQuantity] = useState(1);
  const [added, setAdded] = useState(false);
  const most = Math.min(product.stock, MAX_QUANTITY);
  if (most === 0) {
    return <p className="sold-out">Sold out for now.</p>;
  }
  const add = () => {
    addProduct(product, quantity);
    setAdded(true);
  };
  return (
    <div className="add-to-cart">
      <label>
        Quantity
        <select value={quantity} onChange={(event) => setQuantity(Number(event.target.value))}>
          {Array.from({ length: most }, (_, i) => (
            <option key={i + 1}>{i + 1}</option>
          ))}
        </select>
      </label>
      <button type="button" className="primary" onClick={add} data-testid="add-to-cart">
        Add to cart
      </button>
      <p aria-live="polite" className="added">
        {added ? (
          <>
            In your cart. <Link href="/cart">See the cart</Link>
          </>
        ) : null}
      </p>
    </div>
  );
}
