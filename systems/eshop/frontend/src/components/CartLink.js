'use client';

import Link from 'next/link';
import { countPieces, useCart } from '@/lib/cart';

export default function CartLink() {
  const pieces = countPieces(useCart());
  return (
    <Link href="/cart" className="cart-link" data-testid="cart-link">
      Cart
      {pieces > 0 ? <span className="badge">{pieces}</span> : null}
    </Link>
  );
}
