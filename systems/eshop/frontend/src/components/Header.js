import Link from 'next/link';
import CartLink from '@/components/CartLink';
import LogoutButton from '@/components/LogoutButton';
import Mark from '@/components/Mark';
import { findUser } from '@/lib/server-api';

export default async function Header() {
  const user = await findUser();
  return (
    <header className="site-header">
      <div className="wrap">
        <Link href="/" className="brand">
          <Mark />
          <span>Kura</span>
        </Link>
        <nav aria-label="Main">
          <Link href="/">Shop</Link>
          {user ? <Link href="/orders">Orders</Link> : null}
          {user ? <span className="who">{user.name}</span> : <Link href="/login">Log in</Link>}
          {user ? <LogoutButton /> : null}
          <CartLink />
        </nav>
      </div>
    </header>
  );
}
