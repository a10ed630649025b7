'use client';

// The lists of the shop are drawn by client components, from plain data. Elements of a server
// component are sent in pieces of some 3 KB, and React 19.2 can lose its place in the page when one
// of them arrives while it hydrates what is around it: error 418, and the page is drawn again.
import Link from 'next/link';
import Picture from '@/components/Picture';

function ProductCard({ card }) {
  return (
    <li>
      <Link href={`/products/${card.slug}`} className="card" data-testid="product-card">
        <div className="frame">
          <Picture picture={card.picture} tint={card.tint} name={card.name} />
          {card.note ? <span className="note">{card.note}</span> : null}
        </div>
        <h2>{card.name}</h2>
        <p className="quiet">{card.maker}</p>
        <p className="price">{card.price}</p>
      </Link>
    </li>
  );
}

export default function ProductGrid({ cards }) {
  return (
    <ul className="grid">
      {cards.map((card) => (
        <ProductCard key={card.slug} card={card} />
      ))}
    </ul>
  );
}
