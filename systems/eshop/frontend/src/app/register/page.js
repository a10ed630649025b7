import AccountForm from '@/components/AccountForm';
import { safePath } from '@/lib/format';

export const metadata = { title: 'Make an account' };

export default async function RegisterPage({ searchParams }) {
  const { next } = await searchParams;
  return (
    <section className="page narrow">
      <h1>Make an account</h1>
      <AccountForm kind="register" next={safePath(next)} />
    </section>
  );
}
