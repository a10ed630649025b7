import Link from 'next/link';
import { notFound, redirect } from 'next/navigation';
import OrderLines from '@/components/OrderLines';
import { formatDay } from '@/lib/format';
import { findOrder, findUser } from '@/lib/server-api';

const NUMBER = /^[0-9A-Z]{4}-[0-9A-Z]{4}$/;

export const metadata = { title: 'Order' };

export default async function OrderPage({ params }) {
  const { number } = await params;
  if (!NUMBER.test(number)) {
    notFound();
  }
  if (!(await findUser())) {
    redirect(`/login?next=/orders/${number}`);
  }
  const order = (await findOrder(number)) ?? notFound();
  return (
    <section className="page">
      <p className="crumb">
        <Link href="/orders">All orders</Link>
      </p>
      <h1>
        Order <span data-testid="order-number">{order.number}</span>
      </h1>
      <p className="lead">Thank you. We received your order on {formatDay(order.created_at)}.</p>
      <OrderLines order={order} />
      <h2>Delivery</h2>
      <address>
        {order.ship_name}
        {'\n'}
        {order.ship_address}
      </address>
    </section>
  );
}
