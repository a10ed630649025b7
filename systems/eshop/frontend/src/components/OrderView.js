'use client';

// Plain data in, as ProductGrid explains.
import Link from 'next/link';
import Picture from '@/components/Picture';

function OrderLine({ line }) {
  return (
    <li className="line">
      <Picture picture={line.picture} tint={line.tint} name={line.name} />
      <div className="line-text">
        <Link href={`/products/${line.slug}`}>{line.name}</Link>
        <span className="quiet">{`${line.price} × ${line.quantity}`}</span>
      </div>
      <span className="amount">{line.amount}</span>
    </li>
  );
}

export default function OrderView({ order }) {
  return (
    <section className="page">
      <p className="crumb">
        <Link href="/orders">All orders</Link>
      </p>
      <h1>
        Order <span data-testid="order-number">{order.number}</span>
      </h1>
      <p className="lead">{`Thank you. We received your order on ${order.day}.`}</p>
      <ul className="lines">
        {order.lines.map((line) => (
          <OrderLine key={line.id} line={line} />
        ))}
      </ul>
      <div className="total">
        <span>Total</span>
        <strong>{order.total}</strong>
      </div>
      <h2>Delivery</h2>
      <address>{`${order.ship_name}\n${order.ship_address}`}</address>
    </section>
  );
}
