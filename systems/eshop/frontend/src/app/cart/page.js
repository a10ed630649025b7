import CartView from '@/components/CartView';

export const metadata = { title: 'Cart' };

export default function CartPage() {
  return (
    <section className="page">
      <h1>Your cart</h1>
      <CartView />
    </section>
  );
}
