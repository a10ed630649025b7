import Link from 'next/link';
import { notFound } from 'next/navigation';
import { cache } from 'react';
import AddToCart from '@/components/AddToCart';
import Picture from '@/components/Picture';
import { formatYen } from '@/lib/format';
import { findProduct } from '@/lib/server-api';

const SLUG = /^[a-z0-9-]{1,60}$/;

// Title and page ask for the same product; one request answers both.
const getProduct = cache(async (slug) => {
  const product = SLUG.test(slug) ? await findProduct(slug) : null;
  return product ?? notFound();
});

export async function generateMetadata({ params }) {
  const product = await getProduct((await params).slug);
  return { title: product.name, description: product.summary };
}

export default async function ProductPage({ params }) {
  const product = await getProduct((await params).slug);
  return (
    <article className="product">
      <div className="frame">
        <Picture picture={product.picture} tint={product.tint} name={product.name} />
      </div>
      <div className="product-text">
        <p className="crumb">
          <Link href="/">Shop</Link> / {product.maker}
        </p>
        <h1>{product.name}</h1>
        <p className="lead">{product.summary}</p>
        <p className="price">{formatYen(product.price_yen)}</p>
        <p>{product.description}</p>
        <AddToCart product={product} />
        <p className="quiet">{product.stock > 0 ? `${product.stock} in the storehouse` : null}</p>
      </div>
    </article>
  );
}
