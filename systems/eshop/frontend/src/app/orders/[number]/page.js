import { notFound, redirect } from 'next/navigation';
import OrderView from '@/components/OrderView';
import { formatDay, formatYen } from '@/lib/format';
import { findOrder, findUser } from '@/lib/server-api';

const NUMBER = /^[0-9A-Z]{4}-[0-9A-Z]{4}$/;

export const metadata = { title: 'Order' };

function makeLine({ product_id, product, name, price_yen, quantity }) {
  return {
    id: product_id,
    slug: product.slug,
    picture: product.picture,
    tint: product.tint,
    name,
    quantity,
    price: formatYen(price_yen),
    amount: formatYen(price_yen * quantity),
  };
}

function makeView({ number, created_at, total_yen, ship_name, ship_address, items }) {
  return {
    number,
    ship_name,
    ship_address,
    day: formatDay(created_at),
    total: formatYen(total_yen),
    lines: items.map(makeLine),
  };
}

export default async function OrderPage({ params }) {
  const { number } = await params;
  if (!NUMBER.test(number)) {
    notFound();
  }
  if (!(await findUser())) {
    redirect(`/login?next=/orders/${number}`);
  }
  return <OrderView order={makeView((await findOrder(number)) ?? notFound())} />;
}
