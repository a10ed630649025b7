import { redirect } from 'next/navigation';
import OrderList from '@/components/OrderList';
import { formatDay, formatYen } from '@/lib/format';
import { findOrders } from '@/lib/server-api';

export const metadata = { title: 'Orders' };

const MAX_PICTURES = 4;

function makePicture({ product_id, product, name }) {
  return { id: product_id, picture: product.picture, tint: product.tint, name };
}

function makeRow(order) {
  const pieces = order.items.reduce((sum, item) => sum + item.quantity, 0);
  return {
    number: order.number,
    day: formatDay(order.created_at),
    pieces: pieces === 1 ? '1 piece' : `${pieces} pieces`,
    total: formatYen(order.total_yen),
    pictures: order.items.slice(0, MAX_PICTURES).map(makePicture),
  };
}

export default async function OrdersPage() {
  const orders = (await findOrders()) ?? redirect('/login?next=/orders');
  return (
    <section className="page">
      <h1>Your orders</h1>
      {orders.length === 0 ? <p className="empty">No orders yet.</p> : null}
      <OrderList rows={orders.map(makeRow)} />
    </section>
  );
}
