import Link from 'next/link';
import { redirect } from 'next/navigation';
import Picture from '@/components/Picture';
import { formatDay, formatYen } from '@/lib/format';
import { findOrders } from '@/lib/server-api';

export const metadata = { title: 'Orders' };

const MAX_PICTURES = 4;

function OrderRow({ order }) {
  const pieces = order.items.reduce((sum, item) => sum + item.quantity, 0);
  return (
    <li>
      <Link href={`/orders/${order.number}`} className="order-row" data-testid="order-row">
        <span className="thumbs">
          {order.items.slice(0, MAX_PICTURES).map(({ product_id, product, name }) => (
            <Picture key={product_id} picture={product.picture} tint={product.tint} name={name} />
          ))}
        </span>
        <span className="line-text">
          <strong data-testid="order-number">{order.number}</strong>
          <span className="quiet">
            {formatDay(order.created_at)}, {pieces} {pieces === 1 ? 'piece' : 'pieces'}
          </span>
        </span>
        <span className="amount">{formatYen(order.total_yen)}</span>
      </Link>
    </li>
  );
}

export default async function OrdersPage() {
  const orders = (await findOrders()) ?? redirect('/login?next=/orders');
  return (
    <section className="page">
      <h1>Your orders</h1>
      {orders.length === 0 ? <p className="empty">No orders yet.</p> : null}
      <ul className="orders">
        {orders.map((order) => (
          <OrderRow key={order.number} order={order} />
        ))}
      </ul>
    </section>
  );
}
