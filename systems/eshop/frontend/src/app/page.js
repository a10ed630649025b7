import Link from 'next/link';
import Picture from '@/components/Picture';
import { formatYen } from '@/lib/format';
import { listProducts } from '@/lib/server-api';

const FEW = 5;

function stockNote(stock) {
  if (stock === 0) {
    return 'Sold out';
  }
  return stock <= FEW ? `Only ${stock} left` : null;
}

function ProductCard({ product }) {
  const note = stockNote(product.stock);
  return (
    <li>
      <Link href={`/products/${product.slug}`} className="card" data-testid="product-card">
        <div className="frame">
          <Picture picture={product.picture} tint={product.tint} name={product.name} />
          {note ? <span className="note">{note}</span> : null}
        </div>
        <h2>{product.name}</h2>
        <p className="quiet">{product.maker}</p>
        <p className="price">{formatYen(product.price_yen)}</p>
      </Link>
    </li>
  );
}

export default async function ProductListPage() {
  const products = (await listProducts()) ?? [];
  return (
    <>
      <section className="hero">
        <h1>Made to be used, every day.</h1>
        <p>Twelve things for the house from small workshops, each one the kind you keep.</p>
      </section>
      <ul className="grid">
        {products.map((product) => (
          <ProductCard key={product.id} product={product} />
        ))}
      </ul>
    </>
  );
}
