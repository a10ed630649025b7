import Link from 'next/link';
import Picture from '@/components/Picture';
import { formatYen } from '@/lib/format';

export default function OrderLines({ order }) {
  return (
    <>
      <ul className="lines">
        {order.items.map((item) => (
          <li className="line" key={item.product_id}>
            <Picture picture={item.product.picture} tint={item.product.tint} name={item.name} />
            <div className="line-text">
              <Link href={`/products/${item.product.slug}`}>{item.name}</Link>
              <span className="quiet">
                {formatYen(item.price_yen)} × {item.quantity}
              </span>
            </div>
            <span className="amount">{formatYen(item.price_yen * item.quantity)}</span>
          </li>
        ))}
      </ul>
      <div className="total">
        <span>Total</span>
        <strong>{formatYen(order.total_yen)}</strong>
      </div>
    </>
  );
}
