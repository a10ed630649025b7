import { redirect } from 'next/navigation';
import CheckoutForm from '@/components/CheckoutForm';
import { findUser } from '@/lib/server-api';

export const metadata = { title: 'Checkout' };

export default async function CheckoutPage() {
  const user = (await findUser()) ?? redirect('/login?next=/checkout');
  return (
    <section className="page">
      <h1>Checkout</h1>
      <CheckoutForm name={user.name} />
    </section>
  );
}
