'use client';

// Plain data in, as ProductGrid explains.
import Link from 'next/link';
import Picture from '@/components/Picture';

function OrderRow({ row }) {
  return (
    <li>
      <Link href={`/orders/${row.number}`} className="order-row" data-testid="order-row">
        <span className="thumbs">
          {row.pictures.map(({ id, picture, tint, name }) => (
            <Picture key={id} picture={picture} tint={tint} name={name} />
          ))}
        </span>
        <span className="line-text">
          <strong data-testid="order-number">{row.number}</strong>
          <span className="quiet">{`${row.day}, ${row.pieces}`}</span>
        </span>
        <span className="amount">{row.total}</span>
      </Link>
    </li>
  );
}

export default function OrderList({ rows }) {
  return (
    <ul className="orders">
      {rows.map((row) => (
        <OrderRow key={row.number} row={row} />
      ))}
    </ul>
  );
}
