import AccountForm from '@/components/AccountForm';
import { safePath } from '@/lib/format';

export const metadata = { title: 'Log in' };

export default async function LoginPage({ searchParams }) {
  const { next } = await searchParams;
  return (
    <section className="page narrow">
      <h1>Log in</h1>
      <AccountForm kind="login" next={safePath(next)} />
    </section>
  );
}
