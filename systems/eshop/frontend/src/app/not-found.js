import Link from 'next/link';

export default function NotFound() {
  return (
    <section className="page">
      <h1>Not on our shelves</h1>
      <p className="lead">
        There is nothing at this address. <Link href="/">Back to the shop</Link>.
      </p>
    </section>
  );
}
