import ProductGrid from '@/components/ProductGrid';
import { formatYen } from '@/lib/format';
import { listProducts } from '@/lib/server-api';

const FEW = 5;

function stockNote(stock) {
  if (stock === 0) {
    return 'Sold out';
  }
  return stock <= FEW ? `Only ${stock} left` : null;
}

function makeCard({ slug, name, maker, price_yen, stock, picture, tint }) {
  return { slug, name, maker, picture, tint, price: formatYen(price_yen), note: stockNote(stock) };
}

export default async function ProductListPage() {
  const products = (await listProducts()) ?? [];
  return (
    <>
      <section className="hero">
        <h1>Made to be used, every day.</h1>
        <p>Twelve things for the house from small workshops, each one the kind you keep.</p>
      </section>
      <ProductGrid cards={products.map(makeCard)} />
    </>
  );
}
